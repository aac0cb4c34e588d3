package tspl

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
	watchTime = 100 * time.Millisecond // between inquiries while a ticket is printed
	idleTwice = 2                      // answers in a row that say that the printer is idle
)

// errStopped is returned when the printer stopped during a ticket.
var errStopped = errors.New("tspl: stopped during the ticket")

// A printer is the language of one TSPL printer. It belongs to the goroutine of Run.
type printer struct {
	set Settings

	rest    []byte
	asked   bool // the next byte answers <ESC>!?
	status  byte
	known   bool
	long    Long
	longs   int // answers to <ESC>!S
	note    string
	synced  bool // the printer is certainly at the beginning of a command
	broken  bool // a ticket was broken off or is uncertain: cancel before the next
	noLongs bool // it does not answer <ESC>!S
}

var _ printing.Language = (*printer)(nil)

// Reset implements printing.Language.
func (p *printer) Reset() {
	p.rest, p.asked, p.known, p.synced, p.noLongs, p.note = nil, false, false, false, false, ""
}

// Firmware implements printing.Language.
func (p *printer) Firmware() string { return "" }

// Status implements printing.Language.
func (p *printer) Status() drivers.PrinterStatus {
	if !p.known {
		return drivers.PrinterStatus{}
	}
	st := Status(p.status)
	if st.Note == "" {
		st.Note = p.note
	}
	return st
}

// Take implements printing.Language.
func (p *printer) Take(b []byte, _ time.Time) (good, bad int) {
	p.rest = append(p.rest, b...)
	for len(p.rest) > 0 {
		if p.asked {
			p.asked, p.status, p.known = false, p.rest[0], true
			p.rest = p.rest[1:]
			good++
			continue
		}
		l, n, ok := DecodeLong(p.rest)
		switch {
		case n == 0:
			return good, bad
		case ok:
			p.long = l
			p.longs++
			good++
		default:
			bad++
		}
		p.rest = p.rest[n:]
	}
	return good, bad
}

// ask sends <ESC>!? and waits for the byte.
func (p *printer) ask(ctx context.Context, s *printing.Session) error {
	p.rest, p.asked = nil, true
	defer func() { p.asked = false }()
	if _, err := s.Send(ctx, []byte(askByte), p.timeout(), nil); err != nil {
		return fmt.Errorf("ask for status: %w", err)
	}
	if err := s.Await(ctx, p.timeout(), func() bool { return !p.asked }); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

func (p *printer) timeout() time.Duration { return time.Duration(p.set.TimeoutMs) * time.Millisecond }

// askLong asks for the details of a fault; many printers do not know the command, and then go without.
func (p *printer) askLong(ctx context.Context, s *printing.Session) error {
	p.note = ""
	if !Faulty(p.status) || p.noLongs {
		return nil
	}
	longs := p.longs
	if _, err := s.Send(ctx, []byte(askLong), p.timeout(), nil); err != nil {
		return fmt.Errorf("ask for details: %w", err)
	}
	err := s.Await(ctx, p.timeout(), func() bool { return p.longs > longs })
	switch {
	case err == nil:
		p.note = p.long.Note()
	case errors.Is(err, drivers.ErrNoAnswer):
		p.noLongs = true
	default:
		return fmt.Errorf("details: %w", err)
	}
	return nil
}

// Inquire implements printing.Language. Once a printer is ready again after an uncertain ticket, all that it
// still has of it is cancelled.
func (p *printer) Inquire(ctx context.Context, s *printing.Session) error {
	if err := p.ask(ctx, s); err != nil {
		return err
	}
	if err := p.askLong(ctx, s); err != nil {
		return err
	}
	if !p.broken || Faulty(p.status) {
		return nil
	}
	if _, err := s.Send(ctx, []byte(cancelAll), stallTime, nil); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	p.broken, p.synced = false, false
	return p.ask(ctx, s)
}

// Print implements printing.Language.
func (p *printer) Print(ctx context.Context, s *printing.Session, dots *face.Bitmap) (drivers.Proof, error) {
	if Busy(p.status) {
		return drivers.NotPrinted, fmt.Errorf("%w: it still prints something else", drivers.ErrNotReady)
	}
	var job []byte
	if !p.synced { // a bitmap that was broken off is completed first; CLS then forgets it
		job = append(longBand(p.set.Dots), "\r\n"...)
	}
	p.synced = false
	sent, err := s.Send(ctx, AppendTicket(job, dots, p.set.DPI, p.set.Cut), stallTime, nil)
	if err == nil {
		p.synced = true
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

// longBand is as many bytes as the largest bitmap has. To a printer that waits for a command they are an
// empty line.
func longBand(dots int) []byte { return make([]byte, (dots+7)/8*bandRows) }

// prove follows the ticket: the printer must be seen to print, and then be idle, without a fault and without
// a silence in between, which might have been a power cut.
func (p *printer) prove(ctx context.Context, s *printing.Session) error {
	end := time.Now().Add(time.Duration(p.set.ProofMs) * time.Millisecond)
	seen, idle := false, 0
	for time.Now().Before(end) {
		if err := p.ask(ctx, s); err != nil {
			return err
		}
		switch {
		case Faulty(p.status):
			return errStopped
		case Busy(p.status):
			seen, idle = true, 0
		default:
			idle++
		}
		if seen && idle >= idleTwice {
			return nil
		}
		if err := s.Await(ctx, watchTime, never); err != nil && !errors.Is(err, drivers.ErrNoAnswer) {
			return err
		}
	}
	return fmt.Errorf("tspl: still printing, or never seen to: %w", drivers.ErrNoAnswer)
}

func never() bool { return false }
