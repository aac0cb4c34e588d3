package escpos_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/escpos"
	"yipiao/drivers/face"
	"yipiao/drivers/face/sample"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

func newPrinter(settings string) (drivers.Device, error) {
	return escpos.Kind().New(json.RawMessage(settings))
}

func TestKind(t *testing.T) { drivertest.Kind(t, escpos.Kind()) }

// A simLine is a simulated printer on a line. The printer goes on when the line is pulled.
type simLine struct {
	sim    *printer.Printer
	line   *board.Line
	host   *board.PipeEnd
	device *board.PipeEnd
}

// A plant has one simulated printer that lines are plugged into.
type plant struct {
	set printer.Settings
	rec tape.Recorder
	sim *printer.Printer
}

func (p *plant) plug(ctx context.Context) simLine {
	if p.sim == nil {
		sim, err := printer.New(p.set, p.rec)
		if err != nil {
			panic(err) // the settings are these tests' own
		}
		p.sim = sim
		go func() { _ = p.sim.Run(ctx) }()
	}
	host, device := board.Pipe(port.ErrGone)
	l := simLine{sim: p.sim, line: board.NewLine(device, 0), host: host, device: device}
	go func() { _ = p.sim.Serve(ctx, l.line) }()
	synctest.Wait()
	return l
}

// cinema is the page that fits 80 mm paper, and its dots.
func cinema(t *testing.T) (*face.Page, *face.Bitmap) {
	t.Helper()
	f, values, err := sample.Face("cinema")
	if err != nil {
		t.Fatal(err)
	}
	page, err := face.Layout(f, values)
	if err != nil {
		t.Fatal(err)
	}
	dots, _, err := face.NewRenderer(face.DefaultFonts()).Raster(page, 203)
	if err != nil {
		t.Fatal(err)
	}
	return page, dots
}
