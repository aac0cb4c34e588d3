package drivertest

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/port"
)

// midTicket is a time after the begin of a job at which a simulated printer, at a speed of 900 µs a row, is
// in the middle of the ticket.
const midTicket = 600 * time.Millisecond

// A SimPrinter is a simulated printer as the checks need it.
type SimPrinter interface {
	SetPaper(low, out bool)
	PaperOutAfter(rows int)
	SetCover(open bool)
	PowerOffAfter(rows int)
	PowerOn()
	Tear() // takes out what sticks out of the printer
}

// A PrinterLine is a Line to a simulated printer.
type PrinterLine struct {
	Line
	Sim      SimPrinter
	Deaf     func(bool)           // nothing the station sends arrives
	Mute     func(bool)           // nothing the printer sends arrives
	Pictures func() []*image.Gray // the tickets that came out whole, one pixel per dot
}

// A PrinterBench is a printer driver together with a simulated printer.
type PrinterBench struct {
	New  func() (drivers.Device, error)
	Plug func(ctx context.Context) PrinterLine
	Page *face.Page
	Dots *face.Bitmap // the same as it should come out
}

// Printer checks the contract of drivers.Printer.
func Printer(t *testing.T, b PrinterBench) {
	checks := []struct {
		name  string
		check func(*testing.T, *printerRun)
	}{
		{"PrintsAndProves", printsAndProves},
		{"NeverSendsASerialTwice", neverTwice},
		{"OutOfPaperIsNotPrinted", outOfPaper},
		{"PaperEndsInMidTicket", stopsInMidTicket(func(s SimPrinter) { s.PaperOutAfter(200) }, func(s SimPrinter) { s.SetPaper(false, false) })},
		{"PowerFailsInMidTicket", stopsInMidTicket(func(s SimPrinter) { s.PowerOffAfter(200) }, func(s SimPrinter) { s.PowerOn() })},
		{"CoverOpensInMidTicket", coverOpens},
		{"UnplugInMidTicket", unplugInMidTicket},
		{"CancelAtAnyTime", cancelAtAnyTime},
		{"UnplugAtEveryStepOfATicket", ticketSteps(true)},
		{"CancelAtEveryStepOfATicket", ticketSteps(false)},
		{"SilentPrinterIsNotPrinted", silent},
		{"NoProofIsUnproven", noProof},
		{"NotRunning", printerNotRunning},
		{"StatusIsLive", statusIsLive},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dev, err := b.New()
				if err != nil {
					t.Fatal(err)
				}
				c.check(t, &printerRun{t: t, bench: b, dev: dev})
			})
		})
	}
}

// A printerRun is a driver, and the line it runs over.
type printerRun struct {
	*run
	t     *testing.T
	bench PrinterBench
	dev   drivers.Device
	line  PrinterLine
	over  func(port.Port) port.Port // as in Bench
	n     int                       // serials used
}

// up plugs the printer in, and waits until it is healthy.
func (r *printerRun) up() {
	r.t.Helper()
	r.run = Bench{over: r.over, Plug: func(ctx context.Context) Line {
		r.line = r.bench.Plug(ctx)
		return r.line.Line
	}}.start(r.t, r.dev)
	r.run.up()
}

func (r *printerRun) job() drivers.Job {
	r.n++
	return drivers.Job{Serial: fmt.Sprintf("S%04d", r.n), Page: r.bench.Page}
}

func (r *printerRun) print(ctx context.Context, j drivers.Job) (drivers.Proof, error) {
	return r.dev.(drivers.Printer).Print(ctx, j)
}

// prints expects one more ticket to come out, whole.
func (r *printerRun) prints() {
	r.t.Helper()
	before := len(r.line.Pictures())
	if proof, err := r.print(r.t.Context(), r.job()); proof != drivers.Printed || err != nil {
		r.t.Fatalf("Print: %d, %v; want a proof", proof, err)
	}
	Elapse(time.Second)
	all := r.line.Pictures()
	if len(all) != before+1 {
		r.t.Fatalf("%d tickets, want one more than %d", len(all), before)
	}
	if wrong := r.differ(all[before]); wrong > 4 { // a dot or two may be given up, see escpos
		r.t.Errorf("%d dots are not as they should be", wrong)
	}
}

// differ counts the dots of a ticket which are not those of the page. Paper beyond what came out is white.
func (r *printerRun) differ(m *image.Gray) (wrong int) {
	want := r.bench.Dots
	for y := range want.Height {
		for x, row := 0, want.Row(y); x < want.Width; x++ {
			black := x < m.Rect.Dx() && y < m.Rect.Dy() && m.Pix[y*m.Stride+x] < 0x80
			if black != (row[x/8]&(0x80>>(x%8)) != 0) {
				wrong++
			}
		}
	}
	return wrong
}

// eventually expects a ticket to come out again once things are put right.
func (r *printerRun) eventually() {
	r.t.Helper()
	Elapse(10 * time.Second)
	r.line.Sim.Tear()
	Elapse(5 * time.Second)
	r.prints()
}

func printsAndProves(t *testing.T, r *printerRun) {
	r.up()
	for range 3 {
		r.prints()
	}
}

func neverTwice(t *testing.T, r *printerRun) {
	r.up()
	r.prints()
	again := drivers.Job{Serial: fmt.Sprintf("S%04d", r.n), Page: r.bench.Page}
	if proof, err := r.print(t.Context(), again); proof != drivers.NotPrinted || !errors.Is(err, drivers.ErrRefused) {
		t.Errorf("the same serial again: %d, %v; want it refused", proof, err)
	}
	r.prints()
}

func outOfPaper(t *testing.T, r *printerRun) {
	r.up()
	r.line.Sim.SetPaper(false, true)
	Elapse(3 * time.Second)
	j := r.job()
	if proof, err := r.print(t.Context(), j); proof != drivers.NotPrinted || !errors.Is(err, drivers.ErrNotReady) {
		t.Fatalf("Print: %d, %v; want ErrNotReady", proof, err)
	}
	r.line.Sim.SetPaper(false, false)
	Elapse(3 * time.Second)
	if proof, err := r.print(t.Context(), j); proof != drivers.Printed || err != nil {
		t.Errorf("the same serial with paper: %d, %v; it was never sent before", proof, err)
	}
}

// stopsInMidTicket: the end is uncertain, nothing is repeated, and the next ticket is whole.
func stopsInMidTicket(fail, mend func(SimPrinter)) func(*testing.T, *printerRun) {
	return func(t *testing.T, r *printerRun) {
		r.up()
		fail(r.line.Sim)
		if proof, err := r.print(t.Context(), r.job()); proof != drivers.Unproven || err == nil {
			t.Fatalf("Print: %d, %v; want it unproven", proof, err)
		}
		Elapse(5 * time.Second)
		mend(r.line.Sim)
		r.eventually()
	}
}

func coverOpens(t *testing.T, r *printerRun) {
	r.up()
	go func() {
		<-time.After(midTicket)
		r.line.Sim.SetCover(true)
	}()
	if proof, err := r.print(t.Context(), r.job()); proof != drivers.Unproven || err == nil {
		t.Fatalf("Print: %d, %v; want it unproven", proof, err)
	}
	Elapse(5 * time.Second)
	r.line.Sim.SetCover(false)
	r.eventually()
}

// unplugInMidTicket: and at any other time of it, too.
func unplugInMidTicket(t *testing.T, r *printerRun) {
	for _, after := range []time.Duration{midTicket, 0, time.Millisecond, 100 * time.Millisecond} {
		r.up()
		go func() {
			<-time.After(after)
			r.line.Pull()
		}()
		proof, err := r.print(t.Context(), r.job())
		if proof == drivers.Printed || after == midTicket && proof != drivers.Unproven || !errors.Is(err, drivers.ErrNotRunning) {
			t.Fatalf("after %v: %d, %v; want no proof, and ErrNotRunning", after, proof, err)
		}
		r.ended()
		Elapse(15 * time.Second)
		r.line.Sim.Tear()
	}
	r.up()
	r.eventually()
}

// cancelAtAnyTime: whatever was being done, Print returns soon, and never claims what it cannot know.
func cancelAtAnyTime(t *testing.T, r *printerRun) {
	r.up()
	for _, after := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond, 600 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		start := time.Now()
		proof, err := r.print(ctx, r.job())
		took := time.Since(start)
		cancel()
		if proof == drivers.Printed || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %d, %v; want the context's error", after, proof, err)
		}
		if took > after+endsWithin {
			t.Errorf("after %v: Print returned after %v", after, took)
		}
		Elapse(15 * time.Second)
		r.line.Sim.Tear()
	}
	r.eventually()
}

func silent(t *testing.T, r *printerRun) {
	r.up()
	r.line.Deaf(true)
	if proof, err := r.print(t.Context(), r.job()); proof != drivers.NotPrinted || !errors.Is(err, drivers.ErrNoAnswer) {
		t.Errorf("Print: %d, %v; want ErrNoAnswer", proof, err)
	}
	r.await(0, "the printer to be lost", func(e drivers.Event) bool {
		h, ok := e.(drivers.Health)
		return ok && h.State == drivers.StateLost
	})
	r.line.Deaf(false)
	r.eventually()
}

func noProof(t *testing.T, r *printerRun) {
	r.up()
	go func() {
		<-time.After(midTicket)
		r.line.Mute(true)
	}()
	if proof, err := r.print(t.Context(), r.job()); proof != drivers.Unproven || err == nil {
		t.Fatalf("Print: %d, %v; want it unproven", proof, err)
	}
	r.line.Mute(false)
	r.eventually()
}

func printerNotRunning(t *testing.T, r *printerRun) {
	if proof, err := r.print(t.Context(), r.job()); proof != drivers.NotPrinted || !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("before Run: %d, %v; want ErrNotRunning", proof, err)
	}
	r.up()
	r.line.Pull()
	r.ended()
	if proof, err := r.print(t.Context(), r.job()); proof != drivers.NotPrinted || !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("after Run: %d, %v; want ErrNotRunning", proof, err)
	}
}

// statusIsLive: what changes while nothing is printed is told within a few seconds.
func statusIsLive(t *testing.T, r *printerRun) {
	r.up()
	told := func(what string, do func(), is func(drivers.PrinterStatus) bool) {
		t.Helper()
		next := len(r.seen())
		start := time.Now()
		do()
		r.await(next, what, func(e drivers.Event) bool {
			s, ok := e.(drivers.PrinterStatus)
			return ok && is(s)
		})
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s was told after %v", what, took)
		}
	}
	told("paper out", func() { r.line.Sim.SetPaper(false, true) }, func(s drivers.PrinterStatus) bool { return s.Paper == drivers.LevelOut })
	Elapse(2 * time.Second)
	last := r.lastHealth()
	if last.State != drivers.StateAttention || !strings.Contains(last.Note, "paper") {
		t.Errorf("health %+v, want attention for the paper", last)
	}
	told("paper in", func() { r.line.Sim.SetPaper(false, false) }, func(s drivers.PrinterStatus) bool {
		return s.Paper != drivers.LevelOut && s.Online
	})
	Elapse(2 * time.Second)
	if last := r.lastHealth(); last.State != drivers.StateOK {
		t.Errorf("health %+v, want ok again", last)
	}
}

func (r *printerRun) lastHealth() (last drivers.Health) {
	for _, s := range r.seen() {
		if h, ok := s.event.(drivers.Health); ok {
			last = h
		}
	}
	return last
}
