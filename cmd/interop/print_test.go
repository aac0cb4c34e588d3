package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

// printed stores the ticket that comes out of a simulated printer of a kind as a picture, the right way up. It is for
// a bubble.
func printed(t *testing.T, kind drivers.Kind, rotate int, page *face.Page, path string) {
	t.Helper()
	dev, err := kind.New(json.RawMessage(fmt.Sprintf(`{"dots":576,"rotate":%d}`, rotate)))
	if err != nil {
		t.Fatal(err)
	}
	sim, err := printer.New(printer.Settings{Model: kind.Name, RowUs: 900}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	host, device := board.Pipe(port.ErrGone)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _ = sim.Run(ctx) }()
	go func() { _ = sim.Serve(ctx, board.NewLine(device, 0)) }()
	done := make(chan error, 1)
	go func() { done <- dev.Run(ctx, host, func(drivers.Event) {}) }()
	<-time.After(5 * time.Second)
	proof, err := dev.(drivers.Printer).Print(ctx, drivers.Job{Serial: "1", Page: page})
	if proof != drivers.Printed || err != nil {
		t.Errorf("Print: %d, %v; want a proof", proof, err)
	}
	<-time.After(5 * time.Second)
	tickets := sim.Tickets()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	synctest.Wait()
	if len(tickets) != 1 {
		t.Fatalf("%d tickets came out, want one", len(tickets))
	}
	store(t, path, upright(tickets[0].Image, rotate, page.Face))
}

// upright undoes a rotation of 90 degrees and cuts off what the printer has fed behind the page.
func upright(m *image.Gray, rotate int, f *face.Face) image.Image {
	dots := func(mm float64) int { return int(mm/25.4*203 + 0.5) }
	w, h := dots(f.WidthMM), dots(f.HeightMM)
	out := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			at := image.Pt(x, y)
			if rotate == 90 {
				at = image.Pt(h-1-y, x)
			}
			out.SetGray(x, y, color.Gray{Y: 0xFF})
			if at.In(m.Bounds()) { // paper that did not come out is white
				out.SetGray(x, y, m.GrayAt(at.X, at.Y))
			}
		}
	}
	return out
}

func store(t *testing.T, path string, m image.Image) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, m); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
