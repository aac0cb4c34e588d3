package printer

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// Models of printers, by their language.
const (
	ESCPOS = "escpos"
	FGL    = "fgl"
	ZPL    = "zpl"
	TSPL   = "tspl"
)

// Settings are how a printer is made.
type Settings struct {
	Model  string `json:"model"`  // ESCPOS (the default), FGL, ZPL or TSPL
	Dots   int    `json:"dots"`   // of its head; 576 by default
	Font   string `json:"font"`   // file for its own letters; Debian's Noto Sans CJK by default
	RowUs  int    `json:"row_us"` // µs per row of dots; 0 = at once
	Buffer int    `json:"buffer"` // bytes that it takes in advance; 16384 by default
	Clone  bool   `json:"clone"`  // ESC/POS without GS ( H, as many have it
	Mute   bool   `json:"mute"`   // FGL without <S1>
	Dir    string `json:"dir"`    // where each ticket is stored as PNG; "" = nowhere
}

const (
	showBytes     = 60 // of what is received, in readable form
	defaultDots   = 576
	defaultBuffer = 16 << 10
	defaultFont   = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
)

// A firmware is the language of a printer.
type firmware interface {
	// receive sees every byte at once, before it is queued, and answers what cannot wait.
	receive(b byte)
	// run interprets what is queued, from a fresh start, until the machine says stop.
	run(m *machine)
	// changed is told when the printer's condition has changed, so that it can say so.
	changed(before, after Condition)
	// poweredOn is told when the power comes back.
	poweredOn()
}

// A Printer is one simulated printer. It is safe for concurrent use.
type Printer struct {
	set   Settings
	rec   tape.Recorder
	fw    firmware
	glyph *lettering

	mu      sync.Mutex // guards the fields below
	line    *board.Line
	cond    Condition
	outIn   int           // rows until the paper is out; negative = not
	darkIn  int           // rows until the power fails; negative = not
	jamNext bool          // the next cut jams
	news    chan struct{} // closed when something above changes
	queue   chan byte     // replaced when the printer forgets what it was sent
	abort   chan struct{} // closed then
	paper   []([]byte)    // rows since the last cut
	tickets []Ticket
}

// A Ticket is a piece of paper that came out.
type Ticket struct {
	Image *image.Gray // black on white, one pixel per dot
	Cut   bool        // false: torn off, unfinished
}

// A Condition is how a printer is.
type Condition struct {
	Powered   bool `json:"powered"`
	Online    bool `json:"online"` // the button
	PaperLow  bool `json:"paper_low"`
	PaperOut  bool `json:"paper_out"`
	RibbonLow bool `json:"ribbon_low"`
	RibbonOut bool `json:"ribbon_out"`
	Cover     bool `json:"cover"`   // open
	Cutter    bool `json:"cutter"`  // jammed
	Waiting   bool `json:"waiting"` // for a command after an error
	Busy      bool `json:"busy"`    // printing
}

// stopped reports whether a printer in this condition does not print.
func (c Condition) stopped() bool {
	return !c.Powered || !c.Online || c.PaperOut || c.RibbonOut || c.Cover || c.Cutter || c.Waiting
}

var _ board.Device = (*Printer)(nil)

// New makes a printer. It works while Run runs; a line may come and go.
func New(s Settings, rec tape.Recorder) (*Printer, error) {
	if s.Model == "" {
		s.Model = ESCPOS
	}
	if s.Dots == 0 {
		s.Dots = defaultDots
	}
	if s.Buffer == 0 {
		s.Buffer = defaultBuffer
	}
	if s.Font == "" {
		s.Font = defaultFont
	}
	if s.Dots < 8 || s.Dots > 5000 || s.RowUs < 0 || s.Buffer < 64 {
		return nil, fmt.Errorf("printer: dots %d, row_us %d or buffer %d is out of range", s.Dots, s.RowUs, s.Buffer)
	}
	p := &Printer{
		set: s, rec: rec, glyph: &lettering{path: s.Font}, outIn: -1, darkIn: -1,
		cond: Condition{Powered: true, Online: true},
		news: make(chan struct{}), queue: make(chan byte, s.Buffer), abort: make(chan struct{}),
	}
	switch s.Model {
	case ESCPOS:
		p.fw = &escposFirmware{p: p}
	case FGL:
		p.fw = &fglFirmware{p: p}
	case ZPL:
		p.fw = &zplFirmware{p: p}
	case TSPL:
		p.fw = &tsplFirmware{p: p}
	default:
		return nil, fmt.Errorf("printer: model %q is not one of escpos, fgl, zpl, tspl", s.Model)
	}
	return p, nil
}

// Run is the printer's own processor: it prints what it was sent, until ctx is done.
func (p *Printer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		p.fw.run(p.newMachine(ctx))
	}
	return nil
}

// Serve implements board.Device: it takes what comes over a line, and stops taking when its buffer is full.
func (p *Printer) Serve(ctx context.Context, line *board.Line) error {
	p.plug(line)
	defer p.unplug(line)
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	buf := make([]byte, 512)
	for ctx.Err() == nil {
		n, err := line.Read(buf)
		if n > 0 {
			p.rec.Add(tape.Received, fmt.Sprintf("收到 %d 字节 / %d bytes: %s", n, n, tape.Readable(buf[:min(n, showBytes)])), buf[:n])
		}
		for _, b := range buf[:n] {
			if !p.accept(ctx, b) {
				return nil
			}
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("printer: %w", err)
		}
	}
	return nil
}

func (p *Printer) plug(line *board.Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = line
}

// unplug forgets a line, unless another has been plugged in meanwhile.
func (p *Printer) unplug(line *board.Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == line {
		p.line = nil
	}
}

// accept queues a byte; false means that ctx has ended.
func (p *Printer) accept(ctx context.Context, b byte) bool {
	if !p.Condition().Powered {
		return ctx.Err() == nil
	}
	p.fw.receive(b)
	p.mu.Lock()
	queue, abort := p.queue, p.abort
	p.mu.Unlock()
	select {
	case queue <- b:
	case <-abort: // forgotten with all that was queued
	case <-ctx.Done():
		return false
	}
	return true
}

// send answers over the line, if one is plugged in and the power is on.
func (p *Printer) send(kind, text string, wire []byte) {
	p.mu.Lock()
	line, on := p.line, p.cond.Powered
	p.mu.Unlock()
	if line == nil || !on {
		return
	}
	p.rec.Add(kind, text, wire)
	_, _ = line.Write(wire) // a host that is gone does not hear; the printer does not mind
}

// forget throws away what was sent, also what is being printed.
func (p *Printer) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.abort)
	p.abort, p.queue = make(chan struct{}), make(chan byte, p.set.Buffer)
}

// Condition reports how the printer is.
func (p *Printer) Condition() Condition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cond
}

// change changes the condition and lets the firmware say so.
func (p *Printer) change(how func(*Condition)) {
	p.mu.Lock()
	before := p.cond
	how(&p.cond)
	after := p.cond
	close(p.news)
	p.news = make(chan struct{})
	p.mu.Unlock()
	if before != after {
		p.fw.changed(before, after)
	}
}

// A machine is one start of a printer's processor. After err is set it reads zeros and prints nothing.
type machine struct {
	p     *Printer
	ctx   context.Context
	queue chan byte
	abort chan struct{}
	err   error
}

var errForgotten = errors.New("printer: forgotten")

func (p *Printer) newMachine(ctx context.Context) *machine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &machine{p: p, ctx: ctx, queue: p.queue, abort: p.abort}
}

// next waits for a byte.
func (m *machine) next() byte {
	if m.err != nil {
		return 0
	}
	select {
	case b := <-m.queue:
		return b
	case <-m.abort:
		m.err = errForgotten
	case <-m.ctx.Done():
		m.err = m.ctx.Err()
	}
	return 0
}

// take waits for n bytes.
func (m *machine) take(n int) []byte {
	p := make([]byte, 0, min(max(n, 0), 1<<20))
	for range n {
		if p = append(p, m.next()); m.err != nil {
			return nil
		}
	}
	return p
}

// pause lets time pass.
func (m *machine) pause(d time.Duration) {
	if d <= 0 || m.err != nil {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.abort:
		m.err = errForgotten
	case <-m.ctx.Done():
		m.err = m.ctx.Err()
	}
}

// ready waits until the printer can print.
func (m *machine) ready() {
	for m.err == nil {
		m.p.mu.Lock()
		stopped, news := m.p.cond.stopped(), m.p.news
		m.p.mu.Unlock()
		if !stopped {
			return
		}
		select {
		case <-news:
		case <-m.abort:
			m.err = errForgotten
		case <-m.ctx.Done():
			m.err = m.ctx.Err()
		}
	}
}
