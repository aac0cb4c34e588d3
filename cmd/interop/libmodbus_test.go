package interop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"yipiao/drivers/modbus"
	"yipiao/drivers/port/serialport"
)

// The slave in testdata/slave.c.
const (
	baud       = 115200
	unit       = 17
	absent     = 9
	regBusy    = 0xF0
	regFailing = 0xF1
	regDelay   = 0xF2
	registers  = 256
)

// cable joins two pseudo-terminals and returns their names.
func cable(t *testing.T) (host, device string) {
	t.Helper()
	need(t, "socat", "socat")
	dir := t.TempDir()
	host, device = filepath.Join(dir, "host"), filepath.Join(dir, "device")
	cmd := exec.Command("socat", "pty,rawer,link="+host, "pty,rawer,link="+device)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for _, end := range []string{host, device} {
		eventually(t, "socat to make "+end, func() bool { _, err := os.Stat(end); return err == nil })
	}
	return host, device
}

// onSlave runs the slave and hands the test our master on the same line.
func onSlave(t *testing.T) *modbus.Client {
	t.Helper()
	need(t, "cc", "gcc")
	if _, err := os.Stat("/usr/include/modbus/modbus.h"); err != nil {
		t.Fatal("缺少 libmodbus：sudo apt-get install libmodbus-dev，或 make deps-test (Debian package libmodbus-dev is missing)")
	}
	host, device := cable(t)
	background(t, compile(t, "slave.c", "-lmodbus"), device, strconv.Itoa(baud))
	p, err := serialport.Open(serialport.Config{Path: host, Baud: baud})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return modbus.NewClient(p, modbus.Options{})
}

func do(t *testing.T, c *modbus.Client, r modbus.Request) modbus.Response {
	t.Helper()
	resp, err := c.Do(t.Context(), r)
	if err != nil {
		t.Fatalf("function %d at %#04x: %v", r.Func, r.Addr, err)
	}
	return resp
}

func read(addr, n uint16) modbus.Request {
	return modbus.Request{Unit: unit, Func: modbus.ReadHoldingRegisters, Addr: addr, Count: n}
}

func write(addr uint16, values ...uint16) modbus.Request {
	return modbus.Request{Unit: unit, Func: modbus.WriteRegisters, Addr: addr, Values: values}
}

// ramp are n values, none of them its neighbour's.
func ramp(from, n uint16) (values []uint16) {
	for i := range n {
		values = append(values, from+i*257)
	}
	return values
}

// TestMasterAgainstLibmodbus: our Modbus master and a slave made of libmodbus understand each other, in what works
// and in what does not.
func TestMasterAgainstLibmodbus(t *testing.T) {
	c := onSlave(t)
	t.Run("holding registers", func(t *testing.T) { holding(t, c) })
	t.Run("other tables", func(t *testing.T) { tables(t, c) })
	t.Run("exceptions", func(t *testing.T) { exceptions(t, c) })
	t.Run("absent unit", func(t *testing.T) { absentUnit(t, c) })
	t.Run("late answers", func(t *testing.T) { lateAnswers(t, c) })
}

func holding(t *testing.T, c *modbus.Client) {
	want := ramp(0xFF01, 123) // the most that one write may set
	do(t, c, write(2, want...))
	do(t, c, modbus.Request{Unit: unit, Func: modbus.WriteSingleRegister, Addr: 1, Values: []uint16{0x8001}})
	want = append(append([]uint16{0, 0x8001}, want...), 0)
	if got := do(t, c, read(0, 125)).Values; !reflect.DeepEqual(got, want[:125]) {
		t.Errorf("read % x\nwant % x", got, want[:125])
	}
	for _, n := range []uint16{1, 2, 7, 64} {
		if got := do(t, c, read(5, n)).Values; !reflect.DeepEqual(got, want[5:5+n]) {
			t.Errorf("read %d: % x, want % x", n, got, want[5:5+n])
		}
	}
}

func tables(t *testing.T, c *modbus.Client) {
	if got := do(t, c, modbus.Request{Unit: unit, Func: modbus.ReadInputRegisters, Addr: 250, Count: 6}).Values; !reflect.DeepEqual(got, []uint16{0x10FA, 0x10FB, 0x10FC, 0x10FD, 0x10FE, 0x10FF}) {
		t.Errorf("input registers % x", got)
	}
	if got := do(t, c, modbus.Request{Unit: unit, Func: modbus.ReadDiscreteInputs, Addr: 2, Count: 11}).Bits; !reflect.DeepEqual(got, every(3, 2, 11)) {
		t.Errorf("discrete inputs %v", got)
	}
	do(t, c, modbus.Request{Unit: unit, Func: modbus.WriteCoils, Addr: 3, Bits: every(2, 1, 13)})
	do(t, c, modbus.Request{Unit: unit, Func: modbus.WriteSingleCoil, Addr: 3, Bits: []bool{true}})
	want := append([]bool{false, true}, every(2, 1, 13)[1:]...)
	if got := do(t, c, modbus.Request{Unit: unit, Func: modbus.ReadCoils, Addr: 2, Count: 14}).Bits; !reflect.DeepEqual(got, want) {
		t.Errorf("coils %v, want %v", got, want)
	}
}

// every are n bits, from the given one on, of which one in so many is set.
func every(in, from, n int) (bits []bool) {
	for i := range n {
		bits = append(bits, (from+i)%in == 0)
	}
	return bits
}

func exceptions(t *testing.T, c *modbus.Client) {
	for name, x := range map[string]struct {
		req  modbus.Request
		want modbus.Exception
	}{
		"beyond the registers": {read(registers, 1), modbus.IllegalAddress},
		"over their end":       {read(registers-1, 2), modbus.IllegalAddress},
		"write beyond":         {write(registers, 1), modbus.IllegalAddress},
		"busy":                 {read(regBusy, 1), modbus.DeviceBusy},
		"failure":              {read(regFailing, 1), modbus.DeviceFailure},
	} {
		if _, err := c.Do(t.Context(), x.req); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
	do(t, c, read(0, 1))
}

// absentUnit: a unit that is not there is a time-out, and costs the others nothing.
func absentUnit(t *testing.T, c *modbus.Client) {
	r := read(0, 1)
	r.Unit = absent
	if _, err := c.Do(t.Context(), r); !errors.Is(err, modbus.ErrTimeout) {
		t.Errorf("%v, want ErrTimeout", err)
	}
	do(t, c, read(0, 1))
}

// lateAnswers: an answer within the time-out is taken; one after it is never taken for the answer to another question.
func lateAnswers(t *testing.T, c *modbus.Client) {
	delay := func(by time.Duration) { do(t, c, write(regDelay, uint16(by.Milliseconds()))) }
	want := ramp(7, 9)
	do(t, c, write(20, want...))

	delay(modbus.DefaultTimeout * 3 / 5)
	if got := do(t, c, read(20, 9)).Values; !reflect.DeepEqual(got, want) {
		t.Errorf("late but in time: % x, want % x", got, want)
	}
	delay(modbus.DefaultTimeout * 8 / 5) // the read is repeated, and answered twice in the end
	if got := do(t, c, read(20, 9)).Values; !reflect.DeepEqual(got, want) {
		t.Errorf("too late: % x, want % x", got, want)
	}
	if got := do(t, c, read(21, 3)).Values; !reflect.DeepEqual(got, want[1:4]) {
		t.Errorf("the next question: % x, want % x", got, want[1:4])
	}
	delay(modbus.DefaultTimeout * 8 / 5)
	if _, err := c.Do(t.Context(), write(21, 0xABCD)); !errors.Is(err, modbus.ErrTimeout) {
		t.Errorf("a write that may not be repeated: %v, want ErrTimeout", err)
	}
	if got := do(t, c, read(20, 3)).Values; !reflect.DeepEqual(got, []uint16{want[0], 0xABCD, want[2]}) {
		t.Errorf("read back % x: it was carried out once", got)
	}
}
