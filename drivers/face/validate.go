package face

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"slices"
	"strings"
)

// Limits of a face.
const (
	minSideMM   = 20
	maxSideMM   = 400
	maxElements = 200
	minSizePt   = 4
	maxSizePt   = 200
	maxBaseSide = 5000 // pixels
	maxText     = 4000 // bytes, of an element
)

// A FieldError says which field of which element of a face is wrong, and how.
type FieldError struct {
	Face    string
	Element int // index from 0; -1 for the face itself
	Kind    Kind
	Field   string // as in the JSON
	Problem string
}

// Error names the element as people count, from 1.
func (e *FieldError) Error() string {
	if e.Element < 0 {
		return fmt.Sprintf("face %q: %s: %s", e.Face, e.Field, e.Problem)
	}
	return fmt.Sprintf("face %q: element %d (%s): %s: %s", e.Face, e.Element+1, e.Kind, e.Field, e.Problem)
}

func (f *Face) wrong(field, problem string, args ...any) error {
	return &FieldError{Face: f.Name, Element: -1, Field: field, Problem: fmt.Sprintf(problem, args...)}
}

func (f *Face) wrongAt(i int, field, problem string, args ...any) error {
	return &FieldError{Face: f.Name, Element: i, Kind: f.Elements[i].Kind, Field: field, Problem: fmt.Sprintf(problem, args...)}
}

// Validate checks a face and returns a *FieldError for the first thing wrong: sizes, kinds, braces, an
// element off the page, a base image that is no PNG.
func (f *Face) Validate() error {
	if err := f.validatePage(); err != nil {
		return err
	}
	for i := range f.Elements {
		if err := f.validateElement(i); err != nil {
			return err
		}
	}
	return nil
}

func (f *Face) validatePage() error {
	switch {
	case f.Name == "":
		return f.wrong("name", "is missing")
	case !between(f.WidthMM, minSideMM, maxSideMM):
		return f.wrong("width_mm", "%v, want %d to %d", f.WidthMM, minSideMM, maxSideMM)
	case !between(f.HeightMM, minSideMM, maxSideMM):
		return f.wrong("height_mm", "%v, want %d to %d", f.HeightMM, minSideMM, maxSideMM)
	case len(f.Elements) > maxElements:
		return f.wrong("elements", "%d, want at most %d", len(f.Elements), maxElements)
	case len(f.Base) == 0:
		return nil
	}
	c, err := png.DecodeConfig(bytes.NewReader(f.Base))
	if err != nil {
		return f.wrong("base", "is not a PNG: %v", err)
	}
	if c.Width > maxBaseSide || c.Height > maxBaseSide {
		return f.wrong("base", "%d × %d pixels, want at most %d each way", c.Width, c.Height, maxBaseSide)
	}
	return nil
}

func (f *Face) validateElement(i int) error {
	e := &f.Elements[i]
	switch {
	case !between(e.X, 0, f.WidthMM):
		return f.wrongAt(i, "x", "%v mm, want 0 to %v", e.X, f.WidthMM)
	case !between(e.Y, 0, f.HeightMM):
		return f.wrongAt(i, "y", "%v mm, want 0 to %v", e.Y, f.HeightMM)
	case !between(e.W, 0, maxSideMM):
		return f.wrongAt(i, "w", "%v mm, want 0 to %d", e.W, maxSideMM)
	case !between(e.H, 0, maxSideMM):
		return f.wrongAt(i, "h", "%v mm, want 0 to %d", e.H, maxSideMM)
	case e.Rotate%90 != 0 || e.Rotate < 0 || e.Rotate > 270:
		return f.wrongAt(i, "rotate", "%d, want 0, 90, 180 or 270", e.Rotate)
	case !slices.Contains([]string{"", "left", "center", "right"}, e.Align):
		return f.wrongAt(i, "align", "%q, want left, center or right", e.Align)
	case !between(e.Stroke, 0, 10):
		return f.wrongAt(i, "stroke", "%v mm, want 0 to 10", e.Stroke)
	case len(e.Text) > maxText:
		return f.wrongAt(i, "text", "%d bytes, want at most %d", len(e.Text), maxText)
	}
	if err := f.validateKind(i); err != nil {
		return err
	}
	if x0, y0, x1, y1 := e.bounds(); x0 < -0.01 || y0 < -0.01 || x1 > f.WidthMM+0.01 || y1 > f.HeightMM+0.01 {
		return f.wrongAt(i, "x", "reaches over the page: %.4g to %.4g mm across, %.4g to %.4g mm down", x0, x1, y0, y1)
	}
	return nil
}

// validateKind checks what one kind of element needs.
func (f *Face) validateKind(i int) error {
	e := &f.Elements[i]
	switch e.Kind {
	case Text:
		return f.validateText(i)
	case QR, Code128:
		if e.W == 0 {
			return f.wrongAt(i, "w", "is missing")
		}
		if e.Kind == Code128 && e.H == 0 {
			return f.wrongAt(i, "h", "is missing")
		}
		if e.Text == "" {
			return f.wrongAt(i, "text", "is missing")
		}
		return f.checkBraces(i)
	case Line:
		if (e.W == 0) == (e.H == 0) {
			return f.wrongAt(i, "w", "a line runs by either w or h")
		}
	case Box:
		if e.W == 0 || e.H == 0 {
			return f.wrongAt(i, "w", "a box needs w and h")
		}
	default:
		return f.wrongAt(i, "kind", "%q, want text, qr, code128, line or box", e.Kind)
	}
	return nil
}

func (f *Face) validateText(i int) error {
	e := &f.Elements[i]
	switch {
	case e.Text == "":
		return f.wrongAt(i, "text", "is missing")
	case !between(e.SizePt, minSizePt, maxSizePt):
		return f.wrongAt(i, "size_pt", "%v, want %d to %d", e.SizePt, minSizePt, maxSizePt)
	case e.Font != Sans && e.Font != Serif:
		return f.wrongAt(i, "font", "%q, want %q or none", e.Font, Serif)
	case e.H > 0 && e.W == 0:
		return f.wrongAt(i, "w", "is missing, h alone means nothing")
	}
	return f.checkBraces(i)
}

func (f *Face) checkBraces(i int) error {
	for _, p := range split(f.Elements[i].Text) {
		if p.problem != "" {
			return f.wrongAt(i, "text", "%s", p.problem)
		}
	}
	return nil
}

// bounds is the place that an element takes for certain, rotated, in mm. The width of a text without W is
// not known here, and what of it does not fit is not printed.
func (e *Element) bounds() (x0, y0, x1, y1 float64) {
	w, h := e.W, e.H
	if e.Kind == QR {
		h = w
	}
	switch e.Rotate {
	case 90:
		return e.X - h, e.Y, e.X, e.Y + w
	case 180:
		return e.X - w, e.Y - h, e.X, e.Y
	case 270:
		return e.X, e.Y - w, e.X + h, e.Y
	}
	return e.X, e.Y, e.X + w, e.Y + h
}

func between(v, low, high float64) bool { return !math.IsNaN(v) && v >= low && v <= high }

// Variables lists the names of a face's variables, each once, in the order of their first use.
func (f *Face) Variables() []string {
	var names []string
	for i := range f.Elements {
		for _, p := range split(f.Elements[i].Text) {
			if p.name != "" && !slices.Contains(names, p.name) {
				names = append(names, p.name)
			}
		}
	}
	return names
}

// A piece is plain text or a variable.
type piece struct {
	plain, name, problem string
}

// split takes a text with variables apart.
func split(text string) (pieces []piece) {
	for text != "" {
		open := strings.IndexAny(text, "{}")
		if open < 0 {
			return append(pieces, piece{plain: text})
		}
		if open > 0 {
			pieces = append(pieces, piece{plain: text[:open]})
		}
		if text[open] == '}' {
			return append(pieces, piece{problem: "a brace closes that was not opened"})
		}
		end := strings.IndexByte(text[open:], '}')
		if end < 0 {
			return append(pieces, piece{problem: "a brace opens and is not closed"})
		}
		name := text[open+1 : open+end]
		if !isName(name) {
			return append(pieces, piece{problem: fmt.Sprintf("{%s} is no variable: want small letters, digits and _", name)})
		}
		pieces = append(pieces, piece{name: name})
		text = text[open+end+1:]
	}
	return pieces
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
