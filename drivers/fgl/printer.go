package fgl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/internal/printing"
)

// Times that no manual gives [M].
const (
	stallTime = 15 * time.Second // without a byte taken, before a job is given up
	lateTime  = 3 * time.Second  // for acknowledgements of tickets that another program has sent
)

// errStopped is returned when a fault was reported before the acknowledgement.
var errStopped = errors.New("fgl: a fault before the acknowledgement")

// A printer is the language of one Boca printer. It belongs to the goroutine of Run.
type printer struct {
	set Settings

	st      drivers.PrinterStatus
	asked   bool // the next byte answers <S1>
	acks    int  // tickets that the printer has acknowledged
	stopped Code // what came during the ticket that makes it uncertain; 0 = nothing
	paused  bool // XOFF

	heard  bool // whatever was in the printer before this run has been acknowledged, as far as it will be
	synced bool // the printer is certainly at the beginning of a command
	owed   bool // an uncertain ticket may still be acknowledged
}

var _ printing.Language = (*printer)(nil)

// Reset implements printing.Language.
func (p *printer) Reset() {
	p.st, p.asked, p.stopped, p.paused, p.synced, p.heard = drivers.PrinterStatus{}, false, 0, false, false, false
	if !p.set.StatusRequest {
		p.st = Ready() // an open line is all that a silent printer can show
	}
}

// Firmware implements printing.Language.
func (p *printer) Firmware() string { return "" }

// Status implements printing.Language.
func (p *printer) Status() drivers.PrinterStatus { return p.st }

// Take implements printing.Language: each byte is a message.
func (p *printer) Take(b []byte, _ time.Time) (good, bad int) {
	for _, x := range b {
		if c := Code(x); Known(c) {
			p.apply(c)
			good++
		} else {
			bad++
		}
	}
	return good, bad
}

func (p *printer) apply(c Code) {
	if Stops(c) && p.stopped == 0 {
		p.stopped = c
	}
	switch c {
	case Ack:
		if p.stopped == 0 { // after a fault it proves nothing
			p.acks++
		}
		p.owed = false
		return
	case TestTicket, GoodSum:
		return
	case PowerOn:
		p.owed, p.synced = false, true
	}
	p.paused = c == XOFF || p.paused && c != XON && c != PowerOn
	if p.asked { // the answer says what is worst, and nothing of what was before
		p.asked = false
		p.st = Ready()
	}
	p.st = Apply(p.st, c)
}

// Inquire implements printing.Language.
func (p *printer) Inquire(ctx context.Context, s *printing.Session) error {
	if !p.heard {
		if err := s.Await(ctx, lateTime, func() bool { return false }); !errors.Is(err, drivers.ErrNoAnswer) {
			return err
		}
		p.heard = true
	}
	if !p.set.StatusRequest {
		return nil
	}
	p.asked = true
	within := time.Duration(p.set.TimeoutMs) * time.Millisecond
	if _, err := s.Send(ctx, []byte(statusRequest), within, nil); err != nil {
		return fmt.Errorf("ask for status: %w", err)
	}
	if err := s.Await(ctx, within, func() bool { return !p.asked }); err != nil {
		p.asked = false
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

// watch stops the sending of a ticket after a fault, and holds it while the printer is busy.
func (p *printer) watch() (bool, error) {
	if p.stopped != 0 {
		return false, errStopped
	}
	return p.paused, nil
}

// Print implements printing.Language: one ticket, one acknowledgement (devices.md 5.6).
func (p *printer) Print(ctx context.Context, s *printing.Session, dots *face.Bitmap) (drivers.Proof, error) {
	within := time.Duration(p.set.ProofMs) * time.Millisecond
	if p.owed { // what is acknowledged now is the ticket before
		err := s.Await(ctx, within, func() bool { return !p.owed })
		if err != nil && !errors.Is(err, drivers.ErrNoAnswer) {
			return drivers.NotPrinted, fmt.Errorf("wait for the ticket before: %w", err)
		}
		p.owed = false
	}
	job := p.job(dots)
	p.stopped, p.synced = 0, false
	acks := p.acks
	sent, err := s.Send(ctx, job, stallTime, p.watch)
	if err == nil {
		p.synced, p.owed = true, true
		err = s.Await(ctx, within, func() bool { return p.stopped != 0 || p.acks > acks })
	}
	switch {
	case err == nil && p.acks > acks:
		p.owed = false
		return drivers.Printed, nil
	case sent == 0 && err != nil:
		return drivers.NotPrinted, err
	case p.stopped != 0 && refusals[p.stopped]:
		return drivers.Unproven, fmt.Errorf("status %02X: %w", byte(p.stopped), drivers.ErrRefused)
	case p.stopped != 0:
		return drivers.Unproven, fmt.Errorf("status %02X: %w", byte(p.stopped), errStopped)
	}
	return drivers.Unproven, fmt.Errorf("no acknowledgement: %w", err)
}

// job is a whole ticket. Graphics that were broken off are completed in white first, and forgotten.
func (p *printer) job(dots *face.Bitmap) (b []byte) {
	if !p.synced {
		b = append(make([]byte, maxGraphics), clearBuffer...)
	}
	b = append(b, "<NR>"...)
	b = AppendGraphics(b, dots)
	if p.set.Cut {
		return append(b, printCut...)
	}
	return append(b, printOnly...)
}
