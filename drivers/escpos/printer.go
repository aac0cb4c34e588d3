package escpos

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
	probeTime = 1500 * time.Millisecond // for an answer to GS ( H outside of a ticket
	quietTime = 300 * time.Millisecond  // without a late answer to GS r, before the next is trusted
	retryTime = 5 * time.Second         // between recoveries while the cutter is jammed
	stallTime = 15 * time.Second        // without a byte taken, before a job is given up
)

// A printer is the language of one ESC/POS printer. It belongs to the goroutine of Run.
type printer struct {
	set Settings

	rest    []byte // bytes that are no frame yet
	cond    condition
	known   bool      // cond has been told by the printer
	answers []byte    // to DLE EOT, since the last question
	id      string    // the last process id that came
	papers  int       // answers to GS r that came
	last    time.Time // when the last of them came
	event   bool      // went offline since the job began
	paused  bool      // XOFF

	proof  string // how this printer proves; "" before it was asked
	nextID uint32
	synced bool      // the printer is certainly at the beginning of a command
	tried  time.Time // when DLE ENQ was sent last
	broken bool      // a ticket was broken off or is uncertain: clear before the next
}

var _ printing.Language = (*printer)(nil)

// Reset implements printing.Language. What was plugged in may be another printer.
func (p *printer) Reset() {
	p.rest, p.answers, p.cond, p.known, p.paused = nil, nil, condition{}, false, false
	p.proof, p.synced = "", false
	if p.set.Proof != ProofAuto {
		p.proof = p.set.Proof
	}
}

// Firmware implements printing.Language: ESC/POS has none that all printers tell alike.
func (p *printer) Firmware() string { return "" }

// Status implements printing.Language.
func (p *printer) Status() drivers.PrinterStatus { return p.cond.PrinterStatus }

// Take implements printing.Language.
func (p *printer) Take(b []byte, now time.Time) (good, bad int) {
	p.rest = append(p.rest, b...)
	for {
		f, n := Decode(p.rest)
		if n == 0 {
			return good, bad
		}
		p.rest = p.rest[n:]
		if p.apply(f, now) {
			good++
		} else {
			bad++
		}
	}
}

// apply draws the conclusions from a frame, and reports whether it was one.
func (p *printer) apply(f Frame, now time.Time) bool {
	switch f.Kind {
	case Realtime:
		p.answers = append(p.answers, f.Data[0])
	case ASB:
		p.know(fromASB([4]byte(f.Data)))
	case ID:
		if !p.event { // after going offline it proves nothing
			p.id = string(f.Data)
		}
	case Offline:
		p.event = true
	case Response:
		p.last = now
		if !p.event {
			p.papers++
		}
	case Flow:
		p.paused = f.Data[0] == xof
	case Cleared:
	default:
		return false
	}
	return true
}

func (p *printer) know(c condition) {
	p.cond, p.known = c, true
	if !printing.Ready(c.PrinterStatus) {
		p.event = true
	}
}

// Inquire implements printing.Language.
func (p *printer) Inquire(ctx context.Context, s *printing.Session) error {
	if err := p.ask(ctx, s); err != nil {
		return err
	}
	if p.mustRecover() {
		p.broken, p.synced, p.tried = false, false, time.Now()
		if _, err := s.Send(ctx, AppendRecover(nil), p.timeout(), nil); err != nil {
			return fmt.Errorf("recover: %w", err)
		}
		if err := p.ask(ctx, s); err != nil { // did it help?
			return err
		}
	}
	if p.proof == "" && printing.Ready(p.cond.PrinterStatus) {
		return p.probe(ctx, s)
	}
	return nil
}

// ask sends DLE EOT 1 to 4, one after the other, as clones lose some otherwise.
func (p *printer) ask(ctx context.Context, s *printing.Session) error {
	p.rest = nil // half a frame of earlier is noise by now
	var got [4]byte
	for n := range got {
		p.answers = nil
		if _, err := s.Send(ctx, AppendStatus(nil, byte(n+1)), p.timeout(), nil); err != nil {
			return fmt.Errorf("ask for status: %w", err)
		}
		if err := s.Await(ctx, p.timeout(), func() bool { return len(p.answers) > 0 }); err != nil {
			return fmt.Errorf("status %d: %w", n+1, err)
		}
		got[n] = p.answers[0]
	}
	p.know(fromEOT(got))
	return nil
}

// mustRecover reports whether the printer waits for DLE ENQ, or an uncertain ticket is still in it, and
// what stopped it has been put right as far as one can see. A jam of the cutter shows until the printer has
// been told to try again, so it is told now and then.
func (p *printer) mustRecover() bool {
	st := p.cond
	cause := st.Cover || st.Paper == drivers.LevelOut || st.Note == "unrecoverable"
	if !st.waiting && !p.broken || cause {
		return false
	}
	return !st.Cutter || time.Since(p.tried) >= retryTime
}

func (p *printer) timeout() time.Duration { return time.Duration(p.set.TimeoutMs) * time.Millisecond }

// probe asks for a process id outside of any ticket. A clone that does not know the command may take it for
// text, which the reset after it throws away.
func (p *printer) probe(ctx context.Context, s *printing.Session) error {
	id := p.makeID()
	ask := AppendInit(AppendID(p.fill(nil), id))
	if _, err := s.Send(ctx, AppendASB(ask), stallTime, p.hold); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	p.synced, p.event = true, false
	err := s.Await(ctx, probeTime, func() bool { return p.id == id })
	switch {
	case err == nil:
		p.proof = ProofGSH
	case errors.Is(err, drivers.ErrNoAnswer):
		p.proof = ProofGSR
	default:
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}

// idDigits and idCount make process ids; they begin anywhere, so that one which was left in the printer by
// another program is not taken for the next.
const (
	idDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	idCount  = 36 * 36 * 36
)

func (p *printer) makeID() string {
	p.nextID++
	id, n := [idSize]byte{'Y'}, p.nextID
	for i := idSize - 1; i > 0; i-- {
		id[i] = idDigits[n%36]
		n /= 36
	}
	p.id = ""
	return string(id[:])
}

// fill completes a band that may have been broken off: its missing dots become white, and NUL is nothing
// to a printer that waits for a command.
func (p *printer) fill(b []byte) []byte {
	if p.synced {
		return b
	}
	return append(b, make([]byte, (p.set.Dots+7)/8*bandRows)...)
}

func (p *printer) hold() (bool, error) { return p.paused, nil }

// errOffline is returned by watch when the printer went offline during a ticket.
var errOffline = errors.New("escpos: went offline during the ticket")

// watch stops the sending of a ticket when the printer can no longer print it in one piece.
func (p *printer) watch() (bool, error) {
	if p.event {
		return false, errOffline
	}
	return p.paused, nil
}

// Print implements printing.Language: the procedure of devices.md 5.6 from its third step on.
func (p *printer) Print(ctx context.Context, s *printing.Session, dots *face.Bitmap) (drivers.Proof, error) {
	if p.proof == ProofGSR {
		if err := p.drain(ctx, s); err != nil {
			return drivers.NotPrinted, fmt.Errorf("before the ticket: %w", err)
		}
	}
	job := AppendASB(AppendInit(p.fill(nil)))
	job = AppendCut(AppendRaster(job, dots, bandRows), p.set.Cut)
	id, papers := p.makeID(), p.papers
	if p.proof == ProofGSH {
		job = AppendID(job, id)
	} else {
		job = AppendPaper(job)
	}
	p.event, p.synced = false, false
	sent, err := s.Send(ctx, job, stallTime, p.watch)
	if err == nil {
		p.synced = true
		err = p.prove(ctx, s, id, papers)
	}
	switch {
	case err == nil:
		return drivers.Printed, nil
	case sent == 0:
		return drivers.NotPrinted, err
	}
	p.broken = true
	return drivers.Unproven, fmt.Errorf("%s: %w", describe(p.cond.PrinterStatus), err)
}

func describe(st drivers.PrinterStatus) string {
	if s := printing.Describe(st); s != "" {
		return s
	}
	return "no proof"
}

// prove waits for the proof. Offline before it makes the ticket uncertain, whatever comes after.
func (p *printer) prove(ctx context.Context, s *printing.Session, id string, papers int) error {
	proved := func() bool {
		if p.proof == ProofGSH {
			return p.id == id
		}
		return p.papers > papers
	}
	within := time.Duration(p.set.ProofMs) * time.Millisecond
	if err := s.Await(ctx, within, func() bool { return p.event || proved() }); err != nil {
		return err
	}
	if !proved() {
		return errOffline
	}
	return nil
}

// drain waits until no answer to an earlier GS r can come any more.
func (p *printer) drain(ctx context.Context, s *printing.Session) error {
	start := time.Now()
	err := s.Await(ctx, quietTime, func() bool { return false })
	if errors.Is(err, drivers.ErrNoAnswer) && !p.last.After(start) {
		return nil
	}
	if errors.Is(err, drivers.ErrNoAnswer) {
		return fmt.Errorf("%w: late answers", drivers.ErrNotReady)
	}
	return err
}
