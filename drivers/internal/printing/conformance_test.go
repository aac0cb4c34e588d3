package printing_test

import (
	"context"
	"encoding/json"
	"image"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/escpos"
	"yipiao/drivers/face"
	"yipiao/drivers/fgl"
	"yipiao/drivers/port"
	"yipiao/drivers/tspl"
	"yipiao/drivers/zpl"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

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

func (l simLine) bench() drivertest.PrinterLine {
	return drivertest.PrinterLine{
		Line: drivertest.Line{
			Host:    l.host,
			Raw:     func(wire []byte) { _, _ = l.device.Write(wire) },
			Pull:    func() { _ = l.device.Close() },
			Provoke: func() { l.sim.SetPaper(false, true) },
			Provoked: func(e drivers.Event) bool {
				s, ok := e.(drivers.PrinterStatus)
				return ok && s.Paper == drivers.LevelOut
			},
		},
		Sim:  l.sim,
		Deaf: func(on bool) { l.line.SetFaults(board.Faults{Deaf: on}) },
		Mute: func(on bool) { l.line.SetFaults(board.Faults{Mute: on}) },
		Pictures: func() (all []*image.Gray) {
			for _, t := range l.sim.Tickets() {
				if t.Cut {
					all = append(all, t.Image)
				}
			}
			return all
		},
	}
}

// An entry is one driver with settings, and the printer that it is tried with.
type entry struct {
	name     string
	kind     drivers.Kind
	settings string
	set      printer.Settings
}

// speed is that of the printers, µs per row: 203 dpi at 140 mm/s.
const speed = 900

func entries() []entry {
	return []entry{
		{"escpos", escpos.Kind(), "", printer.Settings{RowUs: speed}},
		{"escpos clone", escpos.Kind(), "", printer.Settings{RowUs: speed, Clone: true}},
		{"escpos by GS r", escpos.Kind(), `{"proof":"gsr","cut":"full"}`, printer.Settings{RowUs: speed}},
		{"fgl", fgl.Kind(), "", printer.Settings{Model: printer.FGL, RowUs: speed}},
		{"zpl", zpl.Kind(), `{"dots":576}`, printer.Settings{Model: printer.ZPL, RowUs: speed}},
		{"tspl", tspl.Kind(), `{"dots":576}`, printer.Settings{Model: printer.TSPL, RowUs: speed}},
	}
}

func TestDeviceContract(t *testing.T) {
	for _, e := range entries() {
		t.Run(e.name, func(t *testing.T) {
			drivertest.Device(t, drivertest.Bench{
				New: func() (drivers.Device, error) { return e.kind.New(json.RawMessage(e.settings)) },
				Plug: func(ctx context.Context) drivertest.Line {
					return (&plant{set: e.set}).plug(ctx).bench().Line
				},
			})
		})
	}
}

func TestSituations(t *testing.T) {
	for _, e := range entries() {
		t.Run(e.name, func(t *testing.T) {
			drivertest.Situations(t, e.kind, drivertest.Bench{
				New:  func() (drivers.Device, error) { return e.kind.New(json.RawMessage(e.settings)) },
				Plug: func(ctx context.Context) drivertest.Line { return turns((&plant{set: e.set}).plug(ctx)) },
			})
		})
	}
}

// turns is a line whose every provocation is another than the one before: paper out, and in again.
func turns(l simLine) drivertest.Line {
	line := l.bench().Line
	var out atomic.Bool
	line.Provoke = func() {
		out.Store(!out.Load())
		l.sim.SetPaper(false, out.Load())
	}
	line.Provoked = func(e drivers.Event) bool {
		s, ok := e.(drivers.PrinterStatus)
		return ok && (s.Paper == drivers.LevelOut) == out.Load()
	}
	return line
}

func TestKinds(t *testing.T) {
	for _, e := range entries() {
		drivertest.Kind(t, e.kind)
	}
}

// plain is a page that fits 80 mm paper and takes about a second to print, and its dots. It is quick to draw.
func plain(t *testing.T) (*face.Page, *face.Bitmap) {
	t.Helper()
	page, err := face.Layout(&face.Face{Name: "plain", WidthMM: 72, HeightMM: 112, Elements: []face.Element{
		{Kind: face.Box, X: 1, Y: 1, W: 70, H: 110, Stroke: 1},
		{Kind: face.Text, X: 5, Y: 5, Text: "测试票 {serial}", SizePt: 20},
		{Kind: face.QR, X: 20, Y: 40, W: 30, Text: "{code}"},
		{Kind: face.Line, X: 5, Y: 100, W: 60, Dash: true},
	}}, face.Values{"code": "YP1:ABCDEFGH", "serial": "1"})
	if err != nil {
		t.Fatal(err)
	}
	dots, _, err := face.NewRenderer(face.DefaultFonts()).Raster(page, 203)
	if err != nil {
		t.Fatal(err)
	}
	return page, dots
}

func TestPrinterContract(t *testing.T) {
	page, dots := plain(t)
	for _, e := range entries() {
		t.Run(e.name, func(t *testing.T) {
			var p *plant
			drivertest.Printer(t, drivertest.PrinterBench{
				Page: page, Dots: dots,
				New: func() (drivers.Device, error) { // each check has its own printer, which outlasts its line
					p = &plant{set: e.set}
					return e.kind.New(json.RawMessage(e.settings))
				},
				Plug: func(ctx context.Context) drivertest.PrinterLine { return p.plug(ctx).bench() },
			})
		})
	}
}
