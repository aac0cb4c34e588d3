package hil

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/escpos"
	"yipiao/drivers/face"
	"yipiao/drivers/port"
	"yipiao/drivers/port/lpport"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

// Status lines of a printer [T].
const (
	statusWell = 0x18
	statusOut  = 0x30
)

func newPrinter() (drivers.Device, error) {
	return escpos.Kind().New(json.RawMessage(`{"timeout_ms":3000,"proof_ms":20000}`))
}

// A plant is a printer that goes on while its line comes and goes.
func plant(t *testing.T, rowUs int) *printer.Printer {
	t.Helper()
	sim, err := printer.New(printer.Settings{RowUs: rowUs}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sim.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return sim
}

// ticket is a page without letters: there are no fonts in the virtual machine.
func ticket(t *testing.T) (*face.Page, *face.Bitmap) {
	t.Helper()
	f := &face.Face{Name: "hil", WidthMM: 72, HeightMM: 60, Elements: []face.Element{
		{Kind: face.Box, X: 2, Y: 2, W: 66, H: 54, Stroke: 0.5},
		{Kind: face.QR, X: 10, Y: 8, W: 40, Text: long},
	}}
	page, err := face.Layout(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	dots, _, err := face.NewRenderer(face.Fonts{}).Raster(page, 203)
	if err != nil {
		t.Fatal(err)
	}
	return page, dots
}

func isStatus(paper drivers.Level) func(drivers.Event) bool {
	return func(e drivers.Event) bool {
		s, ok := e.(drivers.PrinterStatus)
		return ok && s.Paper == paper
	}
}

func testPrinter(t *testing.T) {
	t.Parallel()
	r, setStatus := gadgetPrinter(t)
	drivertest.Device(t, drivertest.Bench{
		New: newPrinter, Real: true,
		Plug: func(ctx context.Context) drivertest.Line {
			sim := plant(t, 0)
			return drivertest.Line{
				Host: r.line(ctx, sim), Raw: r.garbage, Pull: r.pull,
				Provoke: func() { sim.SetPaper(false, true) }, Provoked: isStatus(drivers.LevelOut),
			}
		},
	})
	t.Run("PrintsAndProves", func(t *testing.T) { prints(t, r) })
	t.Run("PaperOut", func(t *testing.T) { paperOut(t, r, setStatus) })
	t.Run("OnlyOneMayOpenIt", func(t *testing.T) {
		r.run(t, made(t, newPrinter), plant(t, 0))
		r.busy(t)
	})
	t.Run("UnplugInMidWrite", func(t *testing.T) { unplugInMidWrite(t, r) })
	t.Run("UnplugInMidTicket", func(t *testing.T) { unplugInMidTicket(t, r) })
	t.Run("PlugCycles", func(t *testing.T) {
		sim := plant(t, 0)
		for range cycles {
			cycler{rig: r, driver: newPrinter, firmware: func() (board.Device, func() error) { return sim, nil }}.cycle(t)
		}
	})
}

func printOne(t *testing.T, dev drivers.Device, serial string, page *face.Page) (drivers.Proof, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	return dev.(drivers.Printer).Print(ctx, drivers.Job{Serial: serial, Page: page})
}

// prints: the ticket comes out dot for dot, and the printer has said so.
func prints(t *testing.T, r *rig) {
	page, want := ticket(t)
	sim, dev := plant(t, 0), made(t, newPrinter)
	r.run(t, dev, sim)
	for n := 1; n <= 2; n++ {
		if proof, err := printOne(t, dev, fmt.Sprintf("P%04d", n), page); proof != drivers.Printed || err != nil {
			t.Fatalf("Print: %d, %v; want a proof", proof, err)
		}
		await(t, "the ticket", func() error {
			if got := len(sim.Tickets()); got != n {
				return fmt.Errorf("%d tickets, want %d", got, n)
			}
			return nil
		})
	}
	wrong, first, got := 0, -1, sim.Tickets()[1].Image
	for y := range want.Height {
		for x := range want.Width {
			black := x < got.Rect.Dx() && y < got.Rect.Dy() && got.Pix[y*got.Stride+x] < 0x80
			if black != want.Black(x, y) {
				wrong++
				if first < 0 {
					first = y
				}
			}
		}
	}
	if wrong > 4 { // a dot or two may be given up, see escpos
		t.Errorf("%d dots of %v are not as they should be, first line %d", wrong, got.Rect, first)
	}
}

// paperOut: the printer's status lines, and what it says itself.
func paperOut(t *testing.T, r *rig, setStatus func(int) error) {
	sim := plant(t, 0)
	s := r.run(t, made(t, newPrinter), sim)
	sim.SetPaper(false, true)
	s.await("paper to be out", isStatus(drivers.LevelOut))
	sim.SetPaper(false, false)
	s.await("paper to be in", isStatus(drivers.LevelOK))
	s.cancel()
	<-s.done
	r.stop()

	lp := r.line(t.Context(), sim).(*lpport.Port)
	defer r.stop()
	for _, c := range []struct {
		set       int
		out, well bool
	}{{statusWell, false, true}, {statusOut, true, false}, {statusWell, false, true}} {
		if err := setStatus(c.set); err != nil {
			t.Fatal(err)
		}
		st, err := lp.Status()
		if err != nil || st.PaperOut() != c.out || st.Error() == c.well || !st.Online() {
			t.Errorf("status %#x, %v; want paper out %v", st, err, c.out)
		}
	}
}

// An idle firmware takes nothing.
type idle struct{}

func (idle) Serve(ctx context.Context, _ *board.Line) error {
	<-ctx.Done()
	return nil
}

// unplugInMidWrite: a write that the printer does not take ends when the printer goes.
func unplugInMidWrite(t *testing.T, r *rig) {
	p := r.line(t.Context(), idle{})
	defer r.stop()
	const much = 1 << 20
	_ = p.SetWriteDeadline(time.Now().Add(time.Second))
	first, err := p.Write(make([]byte, much))
	if first == 0 || first == much || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write to a printer that takes nothing: %d, %v; want the deadline's error", first, err)
	}
	_ = p.SetWriteDeadline(time.Time{})
	ended := make(chan error, 1)
	go func() {
		n, err := p.Write(make([]byte, much))
		if n == much || !errors.Is(err, port.ErrGone) {
			err = fmt.Errorf("write while the plug was pulled: %d, %w; want port.ErrGone", n, err)
		} else {
			err = nil
		}
		ended <- err
	}()
	r.pull()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// unplugInMidTicket: nobody can tell whether the ticket is out, and the driver says so.
func unplugInMidTicket(t *testing.T, r *rig) {
	page, _ := ticket(t)
	sim, dev := plant(t, 20000), made(t, newPrinter) // 50 rows a second, so that it is still printing
	s := r.run(t, dev, sim)
	ended := make(chan error, 1)
	go func() {
		proof, err := printOne(t, dev, "U0001", page)
		if proof != drivers.Unproven || err == nil {
			err = fmt.Errorf("print: %d, %w; want it unproven", proof, err)
		} else {
			err = nil
		}
		ended <- err
	}()
	await(t, "the printer to be printing", func() error {
		if st := sim.State(); st.Rows == 0 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	r.pull()
	s.gone()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if proof, err := printOne(t, dev, "U0002", page); proof != drivers.NotPrinted || !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("without a printer: %d, %v; want ErrNotRunning", proof, err)
	}
	dev = made(t, newPrinter)
	r.run(t, dev, plant(t, 0))
	if proof, err := printOne(t, dev, "U0003", page); proof != drivers.Printed || err != nil {
		t.Errorf("after the replug: %d, %v; want a proof", proof, err)
	}
}
