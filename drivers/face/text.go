package face

import (
	"image"
	"math"
	"slices"
	"strings"

	"golang.org/x/image/math/fixed"
)

// How text is set.
const (
	leading    = 1.28 // from line to line, in character heights
	shrinkStep = 0.25 // pt
	shrinkTo   = 0.6  // of the size that was asked for
	// inked is the share of a dot, of 255, from which it prints: below half, or thin strokes break up.
	inked = 0x68
)

// a block is text in lines, at the size that fits.
type block struct {
	l     *letters
	lines []string
	cut   bool
}

func (s *sheet) text(i int, p pen) error {
	e := &s.page.Elements[i]
	b, err := s.fit(e)
	if err != nil {
		return err
	}
	if b.cut {
		s.report.Cut = append(s.report.Cut, i)
	}
	for n, line := range b.lines {
		s.write(b.l, line, e, p, float64(n)*b.l.em*leading)
	}
	return nil
}

// fit finds the largest size, from the one asked for down, at which a text fits into its place.
func (s *sheet) fit(e *Element) (block, error) {
	w, h := float64(dots(e.W, s.dpi)), float64(dots(e.H, s.dpi))
	least := max(e.SizePt*shrinkTo, minSizePt)
	for pt := e.SizePt; ; pt = max(pt-shrinkStep, least) {
		l, err := s.fonts.get(style{e.Font, e.Bold, pt})
		if err != nil {
			return block{}, err
		}
		lines, fits := set(l, e.Text, w, h)
		switch {
		case fits:
			return block{l: l, lines: lines}, nil
		case pt <= least:
			return block{l: l, lines: cut(l, lines, w, h), cut: true}, nil
		}
	}
}

// set breaks a text into lines and reports whether they fit. Width 0 is no bound; without height the text
// is one line per line of its own.
func set(l *letters, text string, w, h float64) (lines []string, fits bool) {
	lines = strings.Split(text, "\n")
	if w == 0 {
		return lines, true
	}
	if h > 0 {
		var wrapped []string
		for _, line := range lines {
			wrapped = append(wrapped, wrap(l, line, w)...)
		}
		lines = wrapped
	}
	for _, line := range lines {
		if l.width(line) > w {
			return lines, false
		}
	}
	return lines, h == 0 || height(l, len(lines)) <= h
}

// height is what so many lines take: the last one needs no leading.
func height(l *letters, lines int) float64 { return l.em * (1 + leading*float64(lines-1)) }

// cut leaves of lines what fits, with an ellipsis where something is missing.
func cut(l *letters, lines []string, w, h float64) []string {
	keep := len(lines)
	for h > 0 && keep > 1 && height(l, keep) > h {
		keep--
	}
	short := keep < len(lines)
	lines = slices.Clone(lines[:keep])
	for n, line := range lines {
		if l.width(line) <= w && (n < keep-1 || !short) {
			continue
		}
		r := []rune(line)
		for len(r) > 0 && l.width(string(r)+"…") > w {
			r = r[:len(r)-1]
		}
		lines[n] = string(r) + "…"
	}
	return lines
}

// Characters which may not begin or end a line.
const (
	noStart = "，。、；：？！）》」』】〕％…·,.;:?!)]}%"
	noEnd   = "（《「『【〔([{￥¥"
)

// wrap breaks a line between Chinese characters and between words.
func wrap(l *letters, line string, w float64) (lines []string) {
	text := []rune(line)
	for len(text) > 0 {
		n, used := 0, 0.0
		for n < len(text) {
			if used += l.advance(text[n]); used > w && n > 0 {
				break
			}
			n++
		}
		if n < len(text) {
			n = breakBefore(text, n)
		}
		lines = append(lines, strings.TrimRight(string(text[:n]), " "))
		text = text[n:]
		for len(lines) > 0 && len(text) > 0 && text[0] == ' ' {
			text = text[1:]
		}
	}
	if lines == nil {
		return []string{""}
	}
	return lines
}

// breakBefore finds the best place to break at n or before it; n itself where there is none.
func breakBefore(text []rune, n int) int {
	for at := n; at > 0 && at > n-24; at-- {
		prev, next := text[at-1], text[at]
		inWord := prev < 0x2E80 && next < 0x2E80 && prev != ' ' && next != ' '
		if !inWord && !strings.ContainsRune(noStart, next) && !strings.ContainsRune(noEnd, prev) {
			return at
		}
	}
	return n
}

// write draws one line whose top is at v.
func (s *sheet) write(l *letters, line string, e *Element, p pen, v float64) {
	x := start(e, l.width(line), float64(dots(e.W, s.dpi)))
	base := v + l.ascent
	for _, r := range line {
		if !l.has(r) {
			s.missing(l, r, p, x, base)
		} else {
			glyph(l, r, p, x, base)
		}
		x += l.advance(r)
	}
}

// start is where a line begins, by its alignment within w or about 0.
func start(e *Element, width, w float64) float64 {
	switch e.Align {
	case "center":
		return (w - width) / 2
	case "right":
		return w - width
	}
	return 0
}

// missing draws a box for a character that the font does not have, and reports it.
func (s *sheet) missing(l *letters, r rune, p pen, x, base float64) {
	if !slices.Contains(s.report.Missing, r) {
		s.report.Missing = append(s.report.Missing, r)
	}
	side, b := int(l.em*0.8), max(int(l.em/14), 1)
	u, v := int(x+l.em*0.1), int(base-l.em*0.78)
	p.fill(u, v, side, b, p.ink)
	p.fill(u, v+side-b, side, b, p.ink)
	p.fill(u, v, b, side, p.ink)
	p.fill(u+side-b, v, b, side, p.ink)
}

func glyph(l *letters, r rune, p pen, x, base float64) {
	dot := fixed.Point26_6{X: fixed.Int26_6(math.Round(x * 64)), Y: fixed.Int26_6(math.Round(base)) * 64}
	dr, mask, at, _, ok := l.face.Glyph(dot, r)
	if !ok {
		return
	}
	strike(p, dr, mask, at)
	if l.twice {
		strike(p, dr.Add(image.Pt(max(int(l.em/24), 1), 0)), mask, at)
	}
}

func strike(p pen, dr image.Rectangle, mask image.Image, at image.Point) {
	alpha, ok := mask.(*image.Alpha)
	if !ok {
		return
	}
	for y := range dr.Dy() {
		for x := range dr.Dx() {
			if alpha.AlphaAt(at.X+x, at.Y+y).A >= inked {
				p.set(dr.Min.X+x, dr.Min.Y+y, p.ink)
			}
		}
	}
}
