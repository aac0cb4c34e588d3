// Package usbip is the USB part of a simulated HID device, for a real kernel: it answers vhci_hcd over a
// socket, as the protocol USB/IP has it, and carries reports between the kernel and a simulated scanner.
//
// It knows USB requests and descriptors. It must not know what a report means. The protocol is that of
// Documentation/usb/usbip_protocol.rst in the kernel; there is no network and no import: who gives the kernel
// its end of the socket pair has plugged the device in, and who closes the other has pulled it out.
package usbip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
)

// Commands, and sizes of their parts.
const (
	cmdSubmit  = 1
	cmdUnlink  = 2
	retSubmit  = 3
	retUnlink  = 4
	headerSize = 48
	maxData    = 1 << 16 // of one transfer; a HID device has no use for more
)

// Results of transfers, as negative errno.
const (
	stall     = -32  // EPIPE
	unlinked  = -104 // ECONNRESET
	succeeded = 0
)

// An urb is a transfer that the kernel has asked for.
type urb struct {
	seq    uint32
	in     bool
	ep     uint32
	length uint32
	setup  [8]byte
	data   []byte // of an OUT transfer
}

// A Device is one simulated USB device. Serve may be called again after it has returned.
type Device struct{ model Model }

// New makes a device of a model.
func New(m Model) *Device { return &Device{m} }

// A session is a device while it is plugged in.
type session struct {
	model   Model
	bus     io.ReadWriter
	reports board.Conn

	writing sync.Mutex // one answer at a time

	mu      sync.Mutex // guards the fields below
	waiting []urb      // IN transfers of the interrupt endpoint, oldest first
	news    chan struct{}
}

// Serve answers the kernel until ctx is done or bus has ended; the device is then unplugged, and bus closed.
// Each read of reports is sent as one input report; output reports are written to it. It does not close reports.
func (d *Device) Serve(ctx context.Context, bus io.ReadWriteCloser, reports board.Conn) error {
	s := &session{model: d.model, bus: bus, reports: reports, news: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = bus.Close() })
	defer stop()
	pumping, cancel := context.WithCancel(ctx)
	var pump sync.WaitGroup
	_ = reports.SetReadDeadline(time.Time{})
	pump.Go(func() { s.pump(pumping) })
	err := s.answer()
	cancel()
	_ = bus.Close()
	_ = reports.SetReadDeadline(time.Unix(1, 0))
	pump.Wait()
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("usbip: %w", err)
}

// answer takes what the kernel sends until its end of the socket is closed.
func (s *session) answer() error {
	head := make([]byte, headerSize)
	for {
		if _, err := io.ReadFull(s.bus, head); err != nil {
			return err
		}
		switch binary.BigEndian.Uint32(head) {
		case cmdSubmit:
			u, err := s.submitted(head)
			if err != nil {
				return err
			}
			if err := s.carry(u); err != nil {
				return err
			}
		case cmdUnlink:
			if err := s.unlink(binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[20:])); err != nil {
				return err
			}
		default:
			return fmt.Errorf("unknown command % x", head[:4])
		}
	}
}

// submitted reads the rest of a transfer.
func (s *session) submitted(head []byte) (urb, error) {
	u := urb{
		seq: binary.BigEndian.Uint32(head[4:]), in: binary.BigEndian.Uint32(head[12:]) == 1,
		ep: binary.BigEndian.Uint32(head[16:]), length: binary.BigEndian.Uint32(head[24:]), setup: [8]byte(head[40:48]),
	}
	if u.length > maxData {
		return u, fmt.Errorf("transfer of %d bytes", u.length)
	}
	if u.in {
		return u, nil
	}
	u.data = make([]byte, u.length)
	_, err := io.ReadFull(s.bus, u.data)
	return u, err
}

// carry does what a transfer wants.
func (s *session) carry(u urb) error {
	switch {
	case u.ep == 0:
		return s.control(u)
	case u.in:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting = append(s.waiting, u)
		s.tell()
		return nil
	}
	if _, err := s.reports.Write(u.data); err != nil {
		return s.reply(u, stall, nil)
	}
	return s.reply(u, succeeded, nil)
}

// tell lets the pump look again; s.mu is held.
func (s *session) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

// unlink takes a transfer back, unless it is done already.
func (s *session) unlink(seq, victim uint32) error {
	status := int32(succeeded)
	s.mu.Lock()
	for i, u := range s.waiting {
		if u.seq == victim {
			s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
			status = unlinked
			break
		}
	}
	s.mu.Unlock()
	return s.write(retUnlink, seq, status, 0, nil)
}

// pump sends one report for each transfer that waits, until there are no more or ctx ends.
func (s *session) pump(ctx context.Context) {
	buf := make([]byte, s.model.packet())
	for {
		n, err := s.reports.Read(buf)
		if err != nil {
			return
		}
		u, ok := s.next(ctx)
		if !ok || s.reply(u, succeeded, buf[:n]) != nil {
			return
		}
	}
}

// next waits for a transfer that wants a report.
func (s *session) next(ctx context.Context) (urb, bool) {
	for {
		s.mu.Lock()
		if len(s.waiting) > 0 {
			u := s.waiting[0]
			s.waiting = s.waiting[1:]
			s.mu.Unlock()
			return u, true
		}
		news := s.news
		s.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return urb{}, false
		}
	}
}

// reply ends a transfer; data is what the device sends.
func (s *session) reply(u urb, status int32, data []byte) error {
	data = data[:min(len(data), int(u.length))]
	done := len(data)
	if !u.in && status == succeeded {
		done = int(u.length)
	}
	return s.write(retSubmit, u.seq, status, uint32(done), data)
}

func (s *session) write(command, seq uint32, status int32, length uint32, data []byte) error {
	p := make([]byte, headerSize, headerSize+len(data))
	binary.BigEndian.PutUint32(p, command)
	binary.BigEndian.PutUint32(p[4:], seq)
	binary.BigEndian.PutUint32(p[20:], uint32(status))
	binary.BigEndian.PutUint32(p[24:], length)
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.bus.Write(append(p, data...))
	return err
}
