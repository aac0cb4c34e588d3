package sample_test

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/oned"
	"github.com/makiuchi-d/gozxing/qrcode"

	"yipiao/drivers"
	"yipiao/drivers/escpos"
	"yipiao/drivers/face"
	"yipiao/drivers/face/sample"
	"yipiao/drivers/fgl"
	"yipiao/drivers/port"
	"yipiao/drivers/tspl"
	"yipiao/drivers/zpl"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

// turn is how a face lies on the paper of a roll of 80 mm.
var turn = map[string]int{"show": 90, "cinema": 0, "coach": 90}

// TestEveryFaceOnEveryPrinter prints each face by each driver into a simulated printer, and reads both codes
// from what came out (SHOW-6.2.1.2-a). With YIPIAO_PICTURES=dir the tickets are stored; with YIPIAO_ZBAR=1
// zbarimg reads them too.
func TestEveryFaceOnEveryPrinter(t *testing.T) {
	for _, kind := range []drivers.Kind{escpos.Kind(), fgl.Kind(), zpl.Kind(), tspl.Kind()} {
		for _, name := range sample.Names() {
			t.Run(kind.Name+"/"+name, func(t *testing.T) {
				f, values, err := sample.Face(name)
				if err != nil {
					t.Fatal(err)
				}
				page, err := face.Layout(f, values)
				if err != nil {
					t.Fatal(err)
				}
				var ticket image.Image
				synctest.Test(t, func(t *testing.T) { ticket = printed(t, kind, turn[name], page) })
				upright := turned(ticket, turn[name], int(f.HeightMM/25.4*203+0.5))
				decode(t, upright, f, values)
				keep(t, kind.Name+"-"+name, upright, values)
			})
		}
	}
}

// printed is the ticket that comes out of a simulated printer.
func printed(t *testing.T, kind drivers.Kind, rotate int, page *face.Page) image.Image {
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
	return tickets[0].Image
}

// turned undoes a rotation of 90 degrees of a page that is so many dots high.
func turned(m image.Image, rotate, height int) image.Image {
	if rotate == 0 {
		return m
	}
	out := image.NewGray(image.Rect(0, 0, m.Bounds().Dy(), height))
	for y := range m.Bounds().Dy() {
		for x := range height {
			out.Set(y, height-1-x, m.At(x, y))
		}
	}
	return out
}

// decode reads both codes, each from its place on the face.
func decode(t *testing.T, m image.Image, f *face.Face, values face.Values) {
	t.Helper()
	for kind, c := range map[face.Kind]struct {
		want   string
		reader gozxing.Reader
		hint   gozxing.DecodeHintType
	}{
		face.QR:      {values["credential"], qrcode.NewQRCodeReader(), gozxing.DecodeHintType_PURE_BARCODE},
		face.Code128: {values["serial"], oned.NewCode128Reader(), gozxing.DecodeHintType_TRY_HARDER},
	} {
		bits, err := gozxing.NewBinaryBitmapFromImage(part(m, f, kind))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.reader.Decode(bits, map[gozxing.DecodeHintType]any{c.hint: true})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if got.GetText() != c.want {
			t.Errorf("%s reads %q, want %q", kind, got, c.want)
		}
	}
	if len(values["credential"]) != 163 || !strings.HasPrefix(values["credential"], "YP1:") {
		t.Errorf("the credential has %d characters", len(values["credential"]))
	}
}

// part is the place of the first code of a kind, its quiet zone included.
func part(m image.Image, f *face.Face, kind face.Kind) image.Image {
	at := func(mm float64) int { return int(mm / 25.4 * 203) }
	for _, e := range f.Elements {
		if e.Kind != kind {
			continue
		}
		h := e.H
		if kind == face.QR {
			h = e.W
		}
		place := image.Rect(at(e.X), at(e.Y), at(e.X+e.W), at(e.Y+h))
		if e.Rotate == 90 {
			place = image.Rect(at(e.X-h), at(e.Y), at(e.X), at(e.Y+e.W))
		}
		return enlarged(m, place)
	}
	return m
}

// enlarged is a part of a picture as a camera sees it: with several pixels for each dot.
func enlarged(m image.Image, place image.Rectangle) image.Image {
	const times = 3
	out := image.NewGray(image.Rect(0, 0, place.Dx()*times, place.Dy()*times))
	for y := range out.Bounds().Dy() {
		for x := range out.Bounds().Dx() {
			at := place.Min.Add(image.Pt(x/times, y/times))
			if !at.In(m.Bounds()) {
				out.SetGray(x, y, color.Gray{Y: 0xFF})
				continue
			}
			out.Set(x, y, m.At(at.X, at.Y))
		}
	}
	return out
}

// keep stores a ticket and lets zbarimg read it, where that is asked for.
func keep(t *testing.T, name string, m image.Image, values face.Values) {
	t.Helper()
	dir := os.Getenv("YIPIAO_PICTURES")
	zbar := os.Getenv("YIPIAO_ZBAR") != ""
	if dir == "" && !zbar {
		return
	}
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, name+".png")
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
	if !zbar {
		return
	}
	out, err := exec.Command("zbarimg", "--nodbus", "-q", "--raw", path).Output()
	if err != nil {
		t.Fatalf("zbarimg: %v", err)
	}
	for _, want := range []string{values["credential"], values["serial"]} {
		if !strings.Contains(string(out), want+"\n") {
			t.Errorf("zbarimg read %q, want %q in it", out, want)
		}
	}
}
