package hil

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
)

// patience is how long anything may take in a virtual machine without hardware support on a busy host.
const patience = 20 * time.Second

// A rig is one simulated USB device, which can be pulled out and put back, and the station's port to it.
type rig struct {
	t       *testing.T
	plugIn  func() error               // fails while the socket is not free yet
	pullOut func()                     // once for each plugIn
	path    func() string              // the interface's name in /sys, which stays with the socket
	device  func() (board.Conn, error) // the device's end, made anew
	station func() (port.Port, error)  // opens the port
	ready   func() error               // whether the kernel listens to the device; nil = as soon as there is a port

	plugged bool
	dirty   bool        // garbage may still be on its way
	end     func()      // ends what line began; nil = nothing
	wire    *board.Line // of the device's end
}

// line plugs the device in, where it is not, opens the port, and lets the firmware serve the device's end until
// ctx is done.
func (r *rig) line(ctx context.Context, firmware board.Device) port.Port {
	r.t.Helper()
	r.stop()
	r.plug()
	var conn board.Conn
	var host port.Port
	await(r.t, "the device's end", func() (err error) { conn, err = r.device(); return })
	if r.ready != nil {
		await(r.t, "the kernel to listen", r.ready)
	}
	await(r.t, "the port to open", func() (err error) { host, err = r.station(); return })
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan struct{})
	wire := board.NewLine(conn, 0)
	r.wire = wire
	go func() {
		defer close(served)
		_ = firmware.Serve(ctx, wire) // ends with an error when it is unplugged
		_ = conn.Close()
	}()
	r.end = func() {
		_ = host.Close()
		cancel()
		<-served
	}
	return host
}

// stop closes both ends and leaves the device plugged in.
func (r *rig) stop() {
	if r.end != nil {
		r.end()
		r.end = nil
	}
}

// plug plugs the device in, and anew where garbage may still be on its way.
func (r *rig) plug() {
	r.t.Helper()
	if r.dirty {
		r.pull()
		r.dirty = false
	}
	if !r.plugged {
		await(r.t, "the device to be plugged in", r.plugIn)
		r.plugged = true
	}
}

// pull pulls the plug and waits until the kernel has noticed: vhci_hcd cannot tell a device that is plugged in again
// sooner from the old one.
func (r *rig) pull() {
	r.t.Helper()
	if !r.plugged {
		return
	}
	r.pullOut()
	r.plugged = false
	await(r.t, "the kernel to notice the unplug", func() error {
		if _, err := os.Stat("/sys/bus/usb/devices/" + r.path()); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is still there", r.path())
		}
		return nil
	})
}

// close ends all of it.
func (r *rig) close() {
	r.stop()
	r.pull()
}

// garbage sends bytes as they are.
func (r *rig) garbage(p []byte) {
	r.dirty = true
	_, _ = r.wire.Write(p) // fails where it is unplugged meanwhile
}

// told lets a firmware do something as soon as it is at work.
func told(do func() error) error {
	late := time.Now().Add(patience)
	for {
		err := do()
		if !errors.Is(err, board.ErrUnplugged) || time.Now().After(late) {
			return err
		}
		<-time.After(time.Millisecond)
	}
}

// await tries until it succeeds.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	late := time.After(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-late:
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}

// A session is a driver at work.
type session struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, after done

	mu   sync.Mutex // guards the fields below
	news []drivers.Event
	come chan struct{}
}

// run runs a driver over the rig until the test ends it, or ends.
func (r *rig) run(t *testing.T, dev drivers.Device, firmware board.Device) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{t: t, cancel: cancel, done: make(chan struct{}), come: make(chan struct{}, 1)}
	host := r.line(ctx, firmware)
	go func() {
		defer close(s.done)
		s.err = dev.Run(ctx, host, s.take)
	}()
	t.Cleanup(func() {
		cancel()
		<-s.done
		r.stop()
	})
	s.await("the driver to be well", func(e drivers.Event) bool {
		h, ok := e.(drivers.Health)
		return ok && h.State == drivers.StateOK
	})
	return s
}

func (s *session) take(e drivers.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = append(s.news, e)
	select {
	case s.come <- struct{}{}:
	default:
	}
}

// next is the oldest event that has not been looked at, or nil.
func (s *session) next() drivers.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.news) == 0 {
		return nil
	}
	e := s.news[0]
	s.news = s.news[1:]
	return e
}

// await passes over events until one is wanted.
func (s *session) await(what string, want func(drivers.Event) bool) drivers.Event {
	s.t.Helper()
	late := time.After(patience)
	for {
		if e := s.next(); e != nil {
			if want(e) {
				return e
			}
			continue
		}
		select {
		case <-s.come:
		case <-s.done:
			s.t.Fatalf("waited for %s: Run ended with %v", what, s.err)
		case <-late:
			s.t.Fatalf("waited for %s for %v", what, patience)
		}
	}
}

// scan waits for the next scan, which must be this code.
func (s *session) scan(code string) {
	s.t.Helper()
	e := s.await("a scan", func(e drivers.Event) bool { _, ok := e.(drivers.Scan); return ok })
	if got := e.(drivers.Scan); got.Fault != drivers.ScanOK || string(got.Data) != code {
		s.t.Errorf("scanned %q with fault %q, want %q", got.Data, got.Fault, code)
	}
}

// gone expects Run to end because the device has vanished.
func (s *session) gone() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatal("Run does not end although the device has vanished")
	}
	if !errors.Is(s.err, port.ErrGone) {
		s.t.Errorf("Run: %v, want port.ErrGone", s.err)
	}
	for e := s.next(); e != nil; e = s.next() {
		if got, ok := e.(drivers.Scan); ok && got.Fault == drivers.ScanOK {
			s.t.Errorf("scanned %q, which was not whole", got.Data)
		}
	}
}

// busy expects the port to be refused to a second opener while it is open.
func (r *rig) busy(t *testing.T) {
	t.Helper()
	if p, err := r.station(); !errors.Is(err, port.ErrBusy) {
		if err == nil {
			_ = p.Close()
		}
		t.Errorf("second open: %v, want port.ErrBusy", err)
	}
}
