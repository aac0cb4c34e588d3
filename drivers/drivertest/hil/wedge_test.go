package hil

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/wedge"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/usbip"
)

// short is a code whose events all fit into the 64 that the kernel keeps of a keyboard: the virtual machine may be slow
// to read them.
const short = "T1:7f3a"

// A typist is the firmware of a keyboard scanner. It is told nothing but which lamps to light.
type typist struct{ line chan *board.Line }

func newTypist() typist { return typist{make(chan *board.Line, 1)} }

func (k typist) Serve(ctx context.Context, line *board.Line) error {
	k.line <- line
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	for buf := make([]byte, 64); ctx.Err() == nil; {
		if _, err := line.Read(buf); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// with hands out the line, one at a time.
func (k typist) with(do func(*board.Line) error) error {
	line := <-k.line
	defer func() { k.line <- line }()
	return do(line)
}

func (k typist) scan(text string) error {
	reports, err := usbip.Keys(text)
	if err != nil {
		return err
	}
	return k.with(func(line *board.Line) error {
		for _, r := range reports {
			if _, err := line.Write(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// capsLock would turn the letters of what is typed later.
const capsLock = 0x39

// mashed presses keys as the bytes have it, the first few of them, and lets them go.
func mashed(r *rig, p []byte) {
	p = bytes.ReplaceAll(p, []byte{capsLock}, []byte{0})
	for p = p[:min(len(p), 64)]; len(p) > 0; p = p[min(len(p), 8):] {
		report := make([]byte, 8)
		copy(report, p)
		r.garbage(report)
	}
	r.garbage(make([]byte, 8))
}

// newWedge is patient with a slow machine, which lets keys come late.
func newWedge() (drivers.Device, error) { return wedge.Kind().New(json.RawMessage(`{"idle_ms":2000}`)) }

func testWedge(t *testing.T) {
	t.Parallel()
	v := &virtual{model: usbip.Wedge("KBD0001"), hub: hubWedge}
	r := virtualWedge(t, v)
	drivertest.Device(t, drivertest.Bench{
		New: newWedge, Real: true,
		Plug: func(ctx context.Context) drivertest.Line {
			k := newTypist()
			return drivertest.Line{
				Host: r.line(ctx, k), Raw: func(p []byte) { mashed(r, p) }, Pull: r.pull,
				Provoke: func() { _ = k.scan(short + "\r") }, Provoked: isScan(short),
			}
		},
	})
	t.Run("NobodyElseHearsIt", func(t *testing.T) { nobodyElseHears(t, r, v) })
	t.Run("OnlyOneMayOpenIt", func(t *testing.T) {
		r.run(t, made(t, newWedge), newTypist())
		r.busy(t)
	})
	t.Run("UnplugInMidCode", func(t *testing.T) {
		k := newTypist()
		s := r.run(t, made(t, newWedge), k)
		if err := k.scan(short[:4]); err != nil {
			t.Fatal(err)
		}
		r.pull()
		s.gone()
		k = newTypist()
		s = r.run(t, made(t, newWedge), k)
		if err := k.scan(short + "\r"); err != nil {
			t.Fatal(err)
		}
		s.scan(short)
	})
}

// nobodyElseHears: another program reads the same keyboard. It hears it before the driver has come and after it has
// gone, and nothing between.
func nobodyElseHears(t *testing.T, r *rig, v *virtual) {
	r.plug()
	var other *os.File
	await(t, "the input device", func() error {
		node, err := eventNode(v.path())
		if err == nil {
			other, err = os.OpenFile(node, os.O_RDONLY|unix.O_NONBLOCK, 0)
		}
		return err
	})
	defer func() { _ = other.Close() }()

	k := newTypist()
	s := r.run(t, made(t, newWedge), k)
	if err := k.scan(short + "\r"); err != nil {
		t.Fatal(err)
	}
	s.scan(short)
	if n, err := heard(other, time.Now()); n != 0 {
		t.Errorf("another program heard %d bytes of a code, %v", n, err)
	}
	s.cancel()
	<-s.done
	r.stop()

	quiet := newTypist() // the control: nobody has grabbed it now
	conn, err := r.device()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- quiet.Serve(ctx, board.NewLine(conn, 0)) }()
	if err := quiet.scan("1"); err != nil {
		t.Fatal(err)
	}
	if n, err := heard(other, time.Now().Add(patience)); n == 0 {
		t.Errorf("another program hears nothing although nobody has grabbed the keyboard: %v", err)
	}
	cancel()
	<-served
}

// heard reads what has come, or comes until a time.
func heard(f *os.File, until time.Time) (int, error) {
	if err := f.SetReadDeadline(until); err != nil {
		return 0, err
	}
	n, err := f.Read(make([]byte, 4096))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}
