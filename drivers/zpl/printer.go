package zpl

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
	stallTime = 15 * time.Second       // without a byte taken, before a job is given up
	watchTime = 200 * time.Millisecond // between inquiries while a ticket is printed
	idleTwice = 2                      // answers in a row that say that nothing is left
)

// errStopped is returned when the printer stopped during a ticket.
var errStopped = errors.New("zpl: stopped during the ticket")

// A printer is the language of one ZPL printer. It belongs to the goroutine of Run.
type printer struct {
	set Settings

	rest    []byte
	coming  HostStatus // strings of the answer that is arriving
	host    HostStatus // the last whole answer
	answers int
	known   bool

	broken bool // a ticket was broken off or is uncertain: cancel before the next
}

var _ printing.Language = (*printer)(nil)

// Reset implements printing.Language.
func (p *printer) Reset() {
	p.rest, p.coming, p.host, p.known = nil, HostStatus{}, HostStatus{}, false
}

// Firmware implements printing.Language.
func (p *printer) Firmware() string { return "" }

// Status implements printing.Language.
func (p *printer) Status() drivers.PrinterStatus {
	if !p.known {
		return drivers.PrinterStatus{}
	}
	return p.host.Status()
}

// Take implements printing.Language.
func (p *printer) Take(b []byte, _ time.Time) (good, bad int) {
	p.rest = append(p.rest, b...)
	for len(p.rest) > 0 {
		s, n, ok := Next(p.rest)
		if n == 0 {
			return good, bad
		}
		p.rest = p.rest[n:]
		switch {
		case !ok:
			bad++
		case s == "":
		case p.coming.Parse(s) != nil:
			bad++
			p.coming = HostStatus{}
		default:
			good++
		}
		if p.coming.Whole() {
			p.host, p.coming, p.known = p.coming, HostStatus{}, true
			p.answers++
		}
	}
	return good, bad
}

// ask sends ~HS and waits for its three strings.
func (p *printer) ask(ctx context.Context, s *printing.Session) error {
	p.rest, p.coming = nil, HostStatus{}
	answers := p.answers
	within := time.Duration(p.set.TimeoutMs) * time.Millisecond
	if _, err := s.Send(ctx, []byte(hostStatus), within, nil); err != nil {
		return fmt.Errorf("ask for status: %w", err)
	}
	if err := s.Await(ctx, within, func() bool { return p.answers > answers }); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

// Inquire implements printing.Language. Once a printer is ready again after an uncertain ticket, all that it
// still has of it is cancelled.
func (p *printer) Inquire(ctx context.Context, s *printing.Session) error {
	if err := p.ask(ctx, s); err != nil {
		return err
	}
	if !p.broken || !printing.Ready(p.host.Status()) {
		return nil
	}
	if _, err := s.Send(ctx, []byte(cancelAll), stallTime, nil); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	p.broken = false
	return p.ask(ctx, s)
}

// Print implements printing.Language.
func (p *printer) Print(ctx context.Context, s *printing.Session, dots *face.Bitmap) (drivers.Proof, error) {
	if !p.host.Idle() {
		return drivers.NotPrinted, fmt.Errorf("%w: it still prints something else", drivers.ErrNotReady)
	}
	sent, err := s.Send(ctx, AppendLabel(nil, dots, p.set.Cut), stallTime, nil)
	if err == nil {
		err = p.prove(ctx, s)
	}
	switch {
	case err == nil:
		return drivers.Printed, nil
	case sent == 0:
		return drivers.NotPrinted, err
	}
	p.broken = true
	if what := printing.Describe(p.Status()); what != "" {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return drivers.Unproven, err
}

// prove follows the ticket: it must be seen in the printer, and then nothing may be left, without a fault
// and without a silence in between, which might have been a power cut.
func (p *printer) prove(ctx context.Context, s *printing.Session) error {
	end := time.Now().Add(time.Duration(p.set.ProofMs) * time.Millisecond)
	seen, idle := false, 0
	for time.Now().Before(end) {
		if err := p.ask(ctx, s); err != nil {
			return err
		}
		if !printing.Ready(p.host.Status()) {
			return errStopped
		}
		if p.host.Idle() {
			idle++
		} else {
			seen, idle = true, 0
		}
		if seen && idle == idleTwice {
			return nil
		}
		if err := s.Await(ctx, watchTime, never); err != nil && !errors.Is(err, drivers.ErrNoAnswer) {
			return err
		}
	}
	return fmt.Errorf("zpl: still printing, or never seen to: %w", drivers.ErrNoAnswer)
}

func never() bool { return false }
