package bench_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/rtu"
	"yipiao/firmware-sim/tape"
)

const patience = 5 * time.Second

var errGone = errors.New("gone")

// A host is what a station has open.
type host interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
}

// openHost opens a device's line, wherever it is.
func openHost(t *testing.T, b *bench.Bench, name string) host {
	t.Helper()
	board, err := b.Board(name)
	if err != nil {
		t.Fatal(err)
	}
	var h host
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	until := time.Now().Add(patience)
	for {
		path := board.State().Path
		switch {
		case path == "":
			h, err = board.Connect(errGone)
		case strings.HasPrefix(path, "127."):
			h, err = net.DialTimeout("tcp", path, patience)
		default:
			h, err = os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		}
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
		<-tick.C
	}
	t.Cleanup(func() { _ = h.Close() })
	for st := board.State(); !st.Open || !st.Present; st = board.State() {
		if time.Now().After(until) {
			t.Fatal("the line does not open")
		}
		<-tick.C
	}
	return h
}

// hears reads until want has come.
func hears(t *testing.T, h host, want string) {
	t.Helper()
	_ = h.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte(want)) {
		n, err := h.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Fatalf("heard %q, %v; want %q", got, err, want)
		}
	}
}

func bin(s string) string {
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(p)
}

// An exchange is what happens on one device's line.
type exchange struct {
	name, keys string
	act, args  string // done first
	says       string // then heard by the host
	ask, reply string // then asked, and answered
}

var exchanges = []exchange{
	{name: "scanner", keys: `"kind":"scanner","aim":"]Q1"`, act: "scan", args: `{"text":"T1:X"}`, says: "]Q1T1:X\r", ask: "?"},
	{name: "newland", keys: `"kind":"scannerline","dialect":"newland"`, act: "scan", args: `{"text":"T1:X"}`, says: "T1:X\r",
		ask: "~\x010000#QRYSYS;\x03", reply: "SIM42"},
	{name: "honeywell", keys: `"kind":"scannerline","dialect":"honeywell","mode":"trigger"`, act: "scan", args: `{"text":"T1:X"}`,
		ask: "\x16T\r", reply: "T1:X\r"},
	{name: "ssi", keys: `"kind":"scannerssi"`, ask: bin("04a30400ff55"), reply: "NBRSIM01"},
	{name: "idreader", keys: `"kind":"idreader","read_ms":1`, act: "lay", args: `{"specimen":"resident"}`,
		ask: bin("aaaaaa9669 0003 2001 22"), reply: bin("aaaaaa9669 0008 00009f 00000000 97")},
	{name: "mrzreader", keys: `"kind":"mrzreader"`, act: "lay", args: `{"specimen":"td3"}`, says: "10\r\n", ask: "?"},
	{name: "pn532", keys: `"kind":"rfid","protocol":"pn532"`, act: "put", args: `{"id":"04a1b2c3"}`,
		ask: bin("5555000000000000 0000ff02fed4022a00"), reply: bin("0000ff00ff00")},
	{name: "wiegand", keys: `"kind":"rfid","protocol":"wiegand"`, act: "put", args: `{"id":"a1b2c3"}`, says: "W26 "},
	{name: "printer", keys: `"kind":"printer","model":"escpos","dir":"DIR/tickets"`, act: "paper", args: `{"low":true}`,
		ask: bin("100401"), reply: bin("16")},
	{name: "turnstile", keys: `"kind":"turnstile","visitor":"stay"`, act: "fault", args: `{"bits":0}`,
		ask: string(rtu.Seal([]byte{1, 3, 0, 0x48, 0, 1})), reply: bin("010302")},
	{name: "relayboard", keys: `"kind":"relayboard"`, act: "fire", args: `{}`,
		ask: string(rtu.Seal([]byte{1, 1, 0, 0, 0, 8})), reply: bin("010101")},
	{name: "tpwgate", keys: `"kind":"tpwgate"`, ask: bin("02ff0004"), reply: bin("02")},
	{name: "tripod", keys: `"kind":"tripod"`, ask: bin("eb014000aa")},
}

// TestBytesInAndOut_SHOW_8_2_3: every thing speaks over a pseudo-terminal and over TCP, and every message is on the
// tape in readable form, Chinese first, with its bytes.
func TestBytesInAndOut_SHOW_8_2_3(t *testing.T) {
	for _, place := range []string{`"pty":"DIR/dev/x"`, `"tcp":"127.0.0.1:0"`, `"inside":true`} {
		for _, x := range exchanges {
			t.Run(x.name+" "+place[1:4], func(t *testing.T) {
				b, _ := running(t, `{"name":"x","baud":115200,`+place+`,`+x.keys+`}`)
				h := openHost(t, b, "x")
				x.happens(t, b, h)
			})
		}
	}
}

func (x exchange) happens(t *testing.T, b *bench.Bench, h host) {
	t.Helper()
	if x.act != "" {
		do(t, b, "x", x.act, x.args)
	}
	if x.says != "" {
		hears(t, h, x.says)
	}
	if x.ask != "" {
		if _, err := h.Write([]byte(x.ask)); err != nil {
			t.Fatal(err)
		}
		awaitEvent(t, b, "x", tape.Received)
	}
	if x.reply != "" {
		hears(t, h, x.reply)
	}
	if x.says+x.reply != "" {
		awaitEvent(t, b, "x", tape.Sent)
	}
}

// awaitEvent waits for a message on the tape and looks at its form.
func awaitEvent(t *testing.T, b *bench.Bench, device, kind string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for seq := uint64(0); ctx.Err() == nil; {
		for _, e := range b.Tape().Since(ctx, device, seq) {
			if seq = e.Seq; e.Kind != kind {
				continue
			}
			if first := []rune(e.Text)[0]; !unicode.Is(unicode.Han, first) || e.Hex == "" {
				t.Errorf("event %+v: want Chinese first, and bytes", e)
			}
			return
		}
	}
	t.Errorf("nothing was %s", kind)
}

func TestThingsOnUSB(t *testing.T) {
	b, _ := running(t, `{"name":"hid","kind":"scannerhid","honeywell":true},{"name":"wedge","kind":"scannerwedge"}`)
	hid, wedge := openHost(t, b, "hid"), openHost(t, b, "wedge")
	do(t, b, "hid", "scan", `{"text":"T1:X"}`)
	report := make([]byte, 64)
	_ = hid.SetReadDeadline(time.Now().Add(patience))
	if n, err := hid.Read(report); n != 64 || err != nil || !bytes.HasPrefix(report, []byte("\x02\x04]Q1T1:X")) {
		t.Errorf("%d, %v: % x", n, err, report)
	}
	if _, err := hid.Write([]byte("\xfd\x03\x16\x07\r")); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, b, "hid", tape.Received)
	do(t, b, "wedge", "scan", `{"text":"a"}`)
	hears(t, wedge, bin("0100 1e00 01000000")) // the key A goes down
	if err := b.Act(t.Context(), "wedge", "scan", []byte(`{"text":"座"}`)); !errors.Is(err, bench.ErrRequest) {
		t.Errorf("a character that no key types: %v, want ErrRequest", err)
	}
}

func TestUnplugAndReplugOverEveryPlace(t *testing.T) {
	for _, place := range []string{`"pty":"DIR/dev/x"`, `"tcp":"127.0.0.1:0"`, `"inside":true`} {
		t.Run(place[1:4], func(t *testing.T) {
			b, _ := running(t, `{"name":"x","kind":"scanner",`+place+`}`)
			h := openHost(t, b, "x")
			do(t, b, "x", "unplug", "")
			_ = h.SetReadDeadline(time.Now().Add(patience))
			if _, err := h.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read: %v, want the line gone", err)
			}
			if err := b.Act(t.Context(), "x", "scan", []byte(`{"text":"X"}`)); !errors.Is(err, bench.ErrNow) {
				t.Errorf("scan while unplugged: %v, want ErrNow", err)
			}
			do(t, b, "x", "replug", "")
			h = openHost(t, b, "x")
			do(t, b, "x", "scan", `{"text":"X"}`)
			hears(t, h, "X\r")
		})
	}
}

// TestPaperOutInMidTicket: the printer stops where the paper ends, says so, and goes on.
func TestPaperOutInMidTicket(t *testing.T) {
	b, dir := running(t, `{"name":"x","kind":"printer","tcp":"127.0.0.1:0","dir":"DIR/tickets"}`)
	h := openHost(t, b, "x")
	do(t, b, "x", "paper", `{"after":5}`)
	if _, err := h.Write([]byte("\x1b@A1\n\x1dV\x00")); err != nil {
		t.Fatal(err)
	}
	awaitKind(t, b, "x", "打印中缺纸")
	if _, err := h.Write([]byte("\x10\x04\x04")); err != nil {
		t.Fatal(err)
	}
	hears(t, h, "\x7e")
	do(t, b, "x", "paper", `{}`)
	awaitKind(t, b, "x", "出票第 1 张")
	if _, err := os.Stat(filepath.Join(dir, "tickets", "ticket-0001.png")); err != nil {
		t.Error(err)
	}
}

func awaitKind(t *testing.T, b *bench.Bench, device, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for seq := uint64(0); ctx.Err() == nil; {
		for _, e := range b.Tape().Since(ctx, device, seq) {
			if seq = e.Seq; strings.HasPrefix(e.Text, text) {
				return
			}
		}
	}
	t.Errorf("%s did not happen", text)
}

// TestSeededFaultsAreEqualTwice: two runs of one configuration spoil the same bytes, another seed others.
func TestSeededFaultsAreEqualTwice(t *testing.T) {
	for _, place := range []string{`"pty":"DIR/dev/x"`, `"tcp":"127.0.0.1:0"`} {
		run := func(name string) string {
			b, _ := running(t, `{"name":"`+name+`","kind":"scanner","faults":{"drop_rate":20,"flip_rate":40,"duplicate_rate":20},`+
				strings.Replace(place, "dev/x", "dev/"+name, 1)+`}`)
			h := openHost(t, b, name)
			for range 50 {
				do(t, b, name, "scan", `{"text":"`+strings.Repeat("0123456789", 4)+`"}`)
			}
			do(t, b, name, "faults", `{}`)
			do(t, b, name, "raw", `{"hex":"`+hex.EncodeToString([]byte("THE END"))+`"}`)
			var got []byte
			_ = h.SetReadDeadline(time.Now().Add(patience))
			for buf := make([]byte, 4096); !bytes.HasSuffix(got, []byte("THE END")); {
				n, err := h.Read(buf)
				if got = append(got, buf[:n]...); err != nil {
					t.Fatal(err)
				}
			}
			return string(got)
		}
		first, again, other := run("a"), run("a"), run("b")
		if first != again || first == other || first == strings.Repeat(strings.Repeat("0123456789", 4)+"\r", 50)+"THE END" {
			t.Errorf("%s: equal twice %v, equal for another device %v", place, first == again, first == other)
		}
	}
}
