package usbip

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"yipiao/firmware-sim/scannerhid"
)

// A kernel is the other end of the cable: it sends transfers and reads answers, as vhci_hcd does.
type kernel struct {
	t    *testing.T
	conn net.Conn
	seq  uint32
}

func (k *kernel) send(command, direction, ep, length uint32, setup string, data []byte) uint32 {
	k.t.Helper()
	k.seq++
	p := make([]byte, headerSize)
	for i, v := range []uint32{command, k.seq, 1<<16 | 2, direction, ep, 0, length} {
		binary.BigEndian.PutUint32(p[4*i:], v)
	}
	request, err := hex.DecodeString(setup)
	if err != nil {
		k.t.Fatal(err)
	}
	copy(p[40:], request)
	if _, err := k.conn.Write(append(p, data...)); err != nil {
		k.t.Fatal(err)
	}
	return k.seq
}

func (k *kernel) unlink(victim uint32) {
	k.t.Helper()
	k.seq++
	p := make([]byte, headerSize)
	binary.BigEndian.PutUint32(p, cmdUnlink)
	binary.BigEndian.PutUint32(p[4:], k.seq)
	binary.BigEndian.PutUint32(p[20:], victim)
	if _, err := k.conn.Write(p); err != nil {
		k.t.Fatal(err)
	}
}

// answer reads one; the length says how much data follows where the transfer was an IN.
func (k *kernel) answer(in bool) (command, seq uint32, status int32, length uint32, data []byte) {
	k.t.Helper()
	p := make([]byte, headerSize)
	if _, err := io.ReadFull(k.conn, p); err != nil {
		k.t.Fatal(err)
	}
	command, seq = binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	status, length = int32(binary.BigEndian.Uint32(p[20:])), binary.BigEndian.Uint32(p[24:])
	if in {
		data = make([]byte, length)
		if _, err := io.ReadFull(k.conn, data); err != nil {
			k.t.Fatal(err)
		}
	}
	return command, seq, status, length, data
}

// control sends a request to the device and returns what it says.
func (k *kernel) control(setup string, length uint32) (status int32, data []byte) {
	k.t.Helper()
	k.send(cmdSubmit, 1, 0, length, setup, nil)
	_, _, status, _, data = k.answer(true)
	return status, data
}

// plugged runs a test with a device; firmware is its end of the cable of reports.
func plugged(t *testing.T, m Model, test func(t *testing.T, k *kernel, firmware *scannerhid.ReportEnd)) {
	synctest.Test(t, func(t *testing.T) {
		host, device := net.Pipe()
		inner, firmware := scannerhid.Pipe(io.EOF)
		done := make(chan error, 1)
		go func() { done <- New(m).Serve(t.Context(), device, inner) }()
		test(t, &kernel{t: t, conn: host}, firmware)
		_ = host.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v, want nil when the cable is pulled", err)
		}
	})
}

func TestDescriptors(t *testing.T) {
	plugged(t, Scanner("S1"), func(t *testing.T, k *kernel, _ *scannerhid.ReportEnd) {
		for _, c := range []struct {
			name, setup string
			length      uint32
			status      int32
			want        string
		}{
			{"device", "8006000100001200", 18, 0, "12010002000000400912010000010102" + "0301"},
			{"device, first 8 bytes", "8006000100000800", 8, 0, "1201000200000040"},
			{"configuration", "8006000200002200", 34, 0, "0902220001010080" + "32" + "090400000103000000" + "092111010001225400" + "07058103400001"},
			{"languages", "8006000300000400", 4, 0, "04030904"},
			{"serial number", "800603030904FF00", 255, 0, "060353003100"},
			{"no such string", "800604030904FF00", 255, stall, ""},
			{"qualifier: it knows full speed only", "8006000600000A00", 10, stall, ""},
			{"report", "8106002200005B00", 91, 0, strings.ToUpper(hex.EncodeToString(PointOfSale))},
			{"status", "8000000000000200", 2, 0, "0000"},
			{"feature report", "A101010300004000", 64, stall, ""},
		} {
			status, data := k.control(c.setup, c.length)
			if got := strings.ToUpper(hex.EncodeToString(data)); status != c.status || got != c.want {
				t.Errorf("%s: %d %s, want %d %s", c.name, status, got, c.status, c.want)
			}
		}
	})
}

func TestReportsGoWhereATransferWaits(t *testing.T) {
	plugged(t, Scanner(""), func(t *testing.T, k *kernel, firmware *scannerhid.ReportEnd) {
		for _, r := range []string{"first", "second"} {
			if _, err := firmware.Write([]byte(r)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"first", "second"} {
			sent := k.send(cmdSubmit, 1, 1, 64, "", nil)
			if _, seq, status, _, data := k.answer(true); seq != sent || status != 0 || string(data) != want {
				t.Errorf("%d: %d %q, want %d: %q", seq, status, data, sent, want)
			}
		}
	})
}

func TestOutputReports(t *testing.T) {
	plugged(t, Scanner(""), func(t *testing.T, k *kernel, firmware *scannerhid.ReportEnd) {
		want, buf := []byte{0xFD, 3, 0x16, 7, 13}, make([]byte, 64)
		for ep, setup := range []string{"2109FD0200000500", ""} { // SET_REPORT, and by an endpoint
			k.send(cmdSubmit, 0, uint32(ep), 5, setup, want)
			if _, _, status, length, _ := k.answer(false); status != 0 || length != 5 {
				t.Errorf("endpoint %d: %d, %d bytes", ep, status, length)
			}
			if n, err := firmware.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
				t.Errorf("endpoint %d: % x, %v", ep, buf[:n], err)
			}
		}
	})
}

func TestUnlink(t *testing.T) {
	plugged(t, Scanner(""), func(t *testing.T, k *kernel, firmware *scannerhid.ReportEnd) {
		victim := k.send(cmdSubmit, 1, 1, 64, "", nil)
		for _, want := range []int32{unlinked, 0} { // the second time it is not there any more
			k.unlink(victim)
			if command, _, status, _, _ := k.answer(false); command != retUnlink || status != want {
				t.Errorf("command %d, status %d; want %d", command, status, want)
			}
		}
		if _, err := firmware.Write([]byte("kept")); err != nil {
			t.Fatal(err)
		}
		k.send(cmdSubmit, 1, 1, 64, "", nil)
		if _, _, _, _, data := k.answer(true); string(data) != "kept" {
			t.Errorf("%q, want the report that no transfer had taken", data)
		}
	})
}

func TestGarbageEndsIt(t *testing.T) {
	host, device := net.Pipe()
	inner, _ := scannerhid.Pipe(io.EOF)
	done := make(chan error, 1)
	go func() { done <- New(Scanner("")).Serve(t.Context(), device, inner) }()
	if _, err := host.Write(make([]byte, headerSize)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("%v, want the unknown command named", err)
	}
}

func TestKeys(t *testing.T) {
	got, err := Keys("aZ 0\r?")
	if err != nil {
		t.Fatal(err)
	}
	var typed []string
	for i, r := range got {
		if i%2 == 1 {
			if !bytes.Equal(r, make([]byte, 8)) {
				t.Errorf("% x, want all keys up", r)
			}
			continue
		}
		typed = append(typed, hex.EncodeToString(r[:3]))
	}
	if want := "000004 02001d 00002c 000027 000028 020038"; strings.Join(typed, " ") != want {
		t.Errorf("%s, want %s", strings.Join(typed, " "), want)
	}
	if _, err := Keys("票"); err == nil {
		t.Error("nil, want an error: a keyboard types no Chinese")
	}
}
