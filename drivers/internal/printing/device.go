package printing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/port"
)

// A Language is how one kind of printer is spoken to. All its methods are called from one goroutine.
type Language interface {
	// Reset is called when a run begins, before anything else.
	Reset()
	// Take is given every byte that arrives, and reports how many frames were good and how many bytes or
	// frames were not to be understood.
	Take(p []byte, now time.Time) (good, bad int)
	// Inquire asks the printer how it is, and waits for the answer with s.Await. It returns nil when the
	// status is known, an error with drivers.ErrNoAnswer where the printer is silent, or what ended the run.
	Inquire(ctx context.Context, s *Session) error
	// Status is what is known of the printer, from the last Inquire or from what it told by itself.
	Status() drivers.PrinterStatus
	// Firmware is the printer's model or version where it tells, else "".
	Firmware() string
	// Print sends one ticket to a printer that is ready, and tells how it ended. Anything it has sent with
	// s.Send when it returns NotPrinted must have been harmless.
	Print(ctx context.Context, s *Session, dots *face.Bitmap) (drivers.Proof, error)
}

// ErrRepeated is returned (with drivers.ErrRefused) for a serial that this driver has sent before. A ticket
// whose end is uncertain is voided and issued anew, under a new serial, by a person (devices.md 5.6).
var ErrRepeated = fmt.Errorf("printing: this serial was sent before: %w", drivers.ErrRefused)

// keepSerials is how many serials a driver remembers.
const keepSerials = 4096

// A Device is a printer driver: a language over a session. It implements drivers.Device and
// drivers.Printer.
type Device struct {
	name     string
	paper    Paper
	poll     time.Duration
	language Language
	render   *face.Renderer

	mu      sync.Mutex // guards the fields below
	running *Session
	sent    map[string]bool // serials
	order   []string        // the same, oldest first
}

var (
	_ drivers.Device  = (*Device)(nil)
	_ drivers.Printer = (*Device)(nil)
)

// New makes a printer driver that inquires every poll while nothing is printed.
func New(name string, paper Paper, poll time.Duration, l Language) *Device {
	return &Device{
		name: name, paper: paper, poll: poll, language: l,
		render: face.NewRenderer(paper.Fonts), sent: make(map[string]bool),
	}
}

// Run implements drivers.Device.
func (d *Device) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	s := newSession(d, p, emit)
	d.attach(s)
	err := s.run(ctx)
	d.attach(nil)
	close(s.ended)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s: %w", d.name, err)
}

func (d *Device) attach(s *Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = s
}

// remember notes a serial that is about to be sent; false means that it was sent before.
func (d *Device) remember(serial string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sent[serial] {
		return false
	}
	if len(d.order) == keepSerials {
		delete(d.sent, d.order[0])
		d.order = d.order[1:]
	}
	d.sent[serial] = true
	d.order = append(d.order, serial)
	return true
}

// forget takes back the serial that was remembered last: nothing of it was sent.
func (d *Device) forget(serial string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sent, serial)
	if n := len(d.order); n > 0 && d.order[n-1] == serial {
		d.order = d.order[:n-1]
	}
}

// A command is one call of Print on its way to the session.
type command struct {
	ctx    context.Context
	serial string
	dots   *face.Bitmap
	report face.Report
	done   chan struct{} // closed when proof and err are set
	proof  drivers.Proof
	err    error
}

// Print implements drivers.Printer. It draws the page in the caller's goroutine. Besides the errors of the
// contract it returns ErrRepeated, and *face.FieldError where the page cannot be drawn.
func (d *Device) Print(ctx context.Context, j drivers.Job) (drivers.Proof, error) {
	if j.Serial == "" || j.Page == nil {
		return drivers.NotPrinted, errors.New("printing: a job needs a serial and a page")
	}
	d.mu.Lock()
	s := d.running
	d.mu.Unlock()
	if s == nil {
		return drivers.NotPrinted, drivers.ErrNotRunning
	}
	dots, report, err := d.paper.Render(d.render, j.Page)
	if err != nil {
		return drivers.NotPrinted, fmt.Errorf("%s: %w", d.name, err)
	}
	c := &command{ctx: ctx, serial: j.Serial, dots: dots, report: report, done: make(chan struct{})}
	select {
	case s.commands <- c:
	case <-s.ended:
		return drivers.NotPrinted, drivers.ErrNotRunning
	case <-ctx.Done():
		return drivers.NotPrinted, ctx.Err()
	}
	<-c.done // the session watches ctx as well
	return c.proof, c.err
}
