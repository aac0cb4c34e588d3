package face_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"yipiao/drivers/face"
)

func page(elements ...face.Element) *face.Face {
	return &face.Face{Name: "f", WidthMM: 60, HeightMM: 40, Elements: elements}
}

func text(s string) face.Element {
	return face.Element{Kind: face.Text, X: 2, Y: 2, Text: s, SizePt: 10}
}

func TestLayout(t *testing.T) {
	f := page(text("{area} {seat}"), text("座位 {seat}"), text("无座"), text("{note}"),
		face.Element{Kind: face.Box, X: 1, Y: 1, W: 5, H: 5})
	p, err := face.Layout(f, face.Values{"seat": "7排\t12座", "unused": "x", "note": "\x00"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range p.Elements {
		got = append(got, e.Text)
	}
	if s := strings.Join(got, "|"); s != " 7排 12座|座位 7排 12座|无座|" {
		t.Errorf("%q: want values in, control characters out, and what has no value left out", s)
	}
	if f.Elements[0].Text != "{area} {seat}" {
		t.Error("Layout changed the face")
	}
	if v := strings.Join(f.Variables(), " "); v != "area seat note" {
		t.Errorf("variables %q", v)
	}
}

// TestErrorsNameElementAndField, SHOW-6.3.2.6: a designer must find what is wrong.
func TestErrorsNameElementAndField(t *testing.T) {
	qr := face.Element{Kind: face.QR, X: 2, Y: 2, W: 20, Text: "{credential}"}
	cases := []struct {
		name string
		face *face.Face
		says string
	}{
		{"no name", &face.Face{WidthMM: 60, HeightMM: 40}, `face "": name`},
		{"too wide", &face.Face{Name: "f", WidthMM: 600, HeightMM: 40}, "width_mm"},
		{"base is no PNG", &face.Face{Name: "f", WidthMM: 60, HeightMM: 40, Base: []byte("x")}, "base"},
		{"unknown kind", page(text("a"), face.Element{Kind: "circle"}), "element 2 (circle): kind"},
		{"no size", page(face.Element{Kind: face.Text, Text: "a"}), "element 1 (text): size_pt"},
		{"no text", page(face.Element{Kind: face.Text, SizePt: 9}), "text: is missing"},
		{"brace not closed", page(text("{seat")), "text: a brace opens"},
		{"brace not opened", page(text("seat}")), "text: a brace closes"},
		{"bad variable", page(text("{Seat No}")), "{Seat No}"},
		{"off the page", page(face.Element{Kind: face.QR, X: 50, Y: 2, W: 20, Text: "x"}), "reaches over the page"},
		{"rotated off the page", page(face.Element{Kind: face.Box, X: 2, Y: 2, W: 5, H: 5, Rotate: 90}), "reaches over the page"},
		{"odd rotation", page(face.Element{Kind: face.Box, X: 2, Y: 2, W: 5, H: 5, Rotate: 45}), "rotate: 45"},
		{"unknown alignment", page(face.Element{Kind: face.Text, Text: "a", SizePt: 9, Align: "middle"}), `align: "middle"`},
		{"line both ways", page(face.Element{Kind: face.Line, W: 5, H: 5}), "by either w or h"},
		{"code 128 without height", page(face.Element{Kind: face.Code128, W: 50, Text: "x"}), "h: is missing"},
		{"code without a value", page(qr), "{credential} has no value"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := face.Layout(c.face, nil)
			var field *face.FieldError
			if !errors.As(err, &field) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want a FieldError with %q", err, c.says)
			}
		})
	}
}

func raster(t *testing.T, f *face.Face, v face.Values) (*face.Bitmap, face.Report) {
	t.Helper()
	p, err := face.Layout(f, v)
	if err != nil {
		t.Fatal(err)
	}
	b, report, err := face.NewRenderer(face.DefaultFonts()).Raster(p, 203)
	if err != nil {
		t.Fatal(err)
	}
	return b, report
}

// TestFourByteCharacters: names may hold characters that GB 18030 writes with four bytes.
func TestFourByteCharacters(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []string{"𠮷", "𬭎", "㼆", "鿍", "䶮", "中"} {
		b, report := raster(t, page(text("{name}")), face.Values{"name": c})
		if len(report.Missing) != 0 || b.Ink() < 40 {
			t.Errorf("%s: %d dots, missing %q", c, b.Ink(), report.Missing)
		}
		if seen[string(b.Bits)] {
			t.Errorf("%s looks like another", c)
		}
		seen[string(b.Bits)] = true
	}
}

func TestMissingCharactersAreBoxesAndReported(t *testing.T) {
	b, report := raster(t, page(text("a\U0010FFFDa\U0010FFFD")), nil)
	if len(report.Missing) != 1 || report.Missing[0] != 0x10FFFD || b.Ink() < 50 {
		t.Errorf("missing %q, %d dots", report.Missing, b.Ink())
	}
}

func TestTextFitsItsPlace(t *testing.T) {
	long := strings.Repeat("很长的演出名称", 30)
	for name, e := range map[string]face.Element{
		"one line": {Kind: face.Text, X: 10, Y: 10, W: 30, Text: "《相当长的演出名称》", SizePt: 12},
		"wrapped":  {Kind: face.Text, X: 10, Y: 10, W: 30, H: 15, Text: long, SizePt: 12},
		"rotated":  {Kind: face.Text, X: 40, Y: 10, W: 20, H: 30, Text: long, SizePt: 8, Rotate: 90},
	} {
		t.Run(name, func(t *testing.T) {
			b, report := raster(t, page(e), nil)
			if (name == "one line") != (len(report.Cut) == 0) {
				t.Errorf("cut %v", report.Cut)
			}
			for y := range b.Height {
				for x := range b.Width {
					if b.Black(x, y) && (x < 79 || x > 321 || y < 79 || y > 241) {
						t.Fatalf("dot %d, %d lies outside of the place", x, y)
					}
				}
			}
		})
	}
}

func TestCodesAreCrispAndRefuseToBeSqueezed(t *testing.T) {
	f := page(face.Element{Kind: face.QR, X: 2, Y: 2, W: 30, Text: "YP1:ABC"})
	b, _ := raster(t, f, nil)
	runs := map[int]bool{}
	for y := range b.Height {
		n := 0
		for x := range b.Width {
			if b.Black(x, y) {
				n++
			} else if n > 0 {
				runs[n] = true
				n = 0
			}
		}
	}
	module := 0
	for n := range runs {
		if module == 0 || n < module {
			module = n
		}
	}
	for n := range runs {
		if n%module != 0 {
			t.Errorf("a run of %d dots with modules of %d", n, module)
		}
	}
	for _, e := range []face.Element{
		{Kind: face.QR, X: 2, Y: 2, W: 6, Text: "YP1:ABC"},
		{Kind: face.Code128, X: 2, Y: 2, W: 10, H: 5, Text: "261127012345"},
	} {
		p, err := face.Layout(page(e), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = face.NewRenderer(face.DefaultFonts()).Raster(p, 203)
		var field *face.FieldError
		if !errors.As(err, &field) || field.Field != "w" {
			t.Errorf("%s: %v, want an error for w", e.Kind, err)
		}
	}
}

func TestBaseLinesAndWhite(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 2, 1))
	m.SetGray(1, 0, color.Gray{Y: 0xFF})
	var buf bytes.Buffer
	if err := png.Encode(&buf, m); err != nil {
		t.Fatal(err)
	}
	f := page(face.Element{Kind: face.Box, X: 2, Y: 2, W: 10, H: 10, Fill: true, White: true},
		face.Element{Kind: face.Line, X: 40, Y: 20, W: 10, Stroke: 1})
	f.Base = buf.Bytes()
	b, _ := raster(t, f, nil)
	for _, c := range []struct {
		x, y  int
		black bool
	}{{5, 5, true}, {50, 50, false}, {300, 5, false}, {340, 163, true}, {340, 170, false}} {
		if b.Black(c.x, c.y) != c.black {
			t.Errorf("dot %d, %d: black %v", c.x, c.y, !c.black)
		}
	}
}

func TestRotate(t *testing.T) {
	b := face.NewBitmap(3, 2)
	b.Set(2, 0, true)
	for degrees, want := range map[int]image.Point{0: {2, 0}, 90: {1, 2}, 180: {0, 1}, 270: {0, 0}} {
		r := b.Rotate(degrees)
		if r.Ink() != 1 || !r.Black(want.X, want.Y) {
			t.Errorf("%d degrees: not at %v", degrees, want)
		}
	}
}

func TestFontsThatCannotBeRead(t *testing.T) {
	p, err := face.Layout(page(text("a")), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := face.NewRenderer(face.Fonts{Sans: "/nowhere/font.ttc"})
	if _, _, err := r.Raster(p, 203); err == nil || !strings.Contains(err.Error(), "/nowhere/font.ttc") {
		t.Errorf("%v, want the file's name", err)
	}
	if err := r.Check(); err == nil {
		t.Error("Check: nil")
	}
	if err := face.NewRenderer(face.Fonts{Sans: face.DefaultFonts().Sans}).Check(); err != nil {
		t.Errorf("Check with one font: %v", err)
	}
}

func FuzzLayout(f *testing.F) {
	f.Add("{a}{b}", "x", 10.0, 2.0, 2.0, 30.0, 5.0, 0)
	f.Add("票 {seat", "𠮷\x00", 4.0, 0.0, 0.0, 0.0, 0.0, 90)
	r := face.NewRenderer(face.DefaultFonts())
	f.Fuzz(func(t *testing.T, s, value string, size, x, y, w, h float64, rotate int) {
		p, err := face.Layout(page(face.Element{
			Kind: face.Text, Text: s, SizePt: size, X: x, Y: y, W: w, H: h, Rotate: rotate,
		}), face.Values{"a": value, "b": ""})
		if err != nil {
			return
		}
		if _, _, err := r.Raster(p, 100); err != nil {
			t.Errorf("a face that is valid cannot be drawn: %v", err)
		}
	})
}
