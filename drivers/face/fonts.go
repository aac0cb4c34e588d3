package face

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
)

// Fonts are font files: OpenType or TrueType, single or collections (.ttc), of which the simplified
// Chinese member is taken where there is one. An empty name stands for Sans, struck twice where it
// should be bold.
type Fonts struct {
	Sans      string `json:"sans"`
	SansBold  string `json:"sans_bold"`
	Serif     string `json:"serif"`
	SerifBold string `json:"serif_bold"`
}

// DefaultFonts are those of the Debian package fonts-noto-cjk.
func DefaultFonts() Fonts {
	const dir = "/usr/share/fonts/opentype/noto/"
	return Fonts{
		Sans: dir + "NotoSansCJK-Regular.ttc", SansBold: dir + "NotoSansCJK-Bold.ttc",
		Serif: dir + "NotoSerifCJK-Regular.ttc", SerifBold: dir + "NotoSerifCJK-Bold.ttc",
	}
}

// member marks the font of a collection that has the simplified Chinese forms.
const member = " SC"

// A typeface is one font file, read at its first use.
type typeface struct {
	path string
	once sync.Once
	font *sfnt.Font
	err  error
}

func (t *typeface) load() (*sfnt.Font, error) {
	t.once.Do(func() { t.font, t.err = openFont(t.path) })
	return t.font, t.err
}

// openFont reads a font lazily: the file stays open, as these files are large and few glyphs are used.
func openFont(path string) (*sfnt.Font, error) {
	if path == "" {
		return nil, errors.New("face: no font file is set")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("face: font: %w", err)
	}
	found, err := pick(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("face: font %s: %w", path, err), f.Close())
	}
	return found, nil
}

func pick(f *os.File) (*sfnt.Font, error) {
	all, err := opentype.ParseCollectionReaderAt(f)
	if err != nil {
		return nil, err
	}
	for i := range all.NumFonts() {
		one, err := all.Font(i)
		if err != nil {
			return nil, err
		}
		if name, err := one.Name(nil, sfnt.NameIDFamily); err == nil && strings.HasSuffix(name, member) {
			return one, nil
		}
	}
	return all.Font(0)
}

// A style chooses a typeface and a size.
type style struct {
	font Font
	bold bool
	pt   float64
}

// letters are a typeface at a size.
type letters struct {
	face   font.Face
	font   *sfnt.Font
	buf    *sfnt.Buffer
	twice  bool // strike twice, for want of a bold file
	em     float64
	ascent float64 // dots from the top of a character to its baseline
}

// emAscent is how much of a Chinese character's square stands over the baseline.
const emAscent = 0.88

// sheetFonts makes letters for one sheet. It is not safe for concurrent use, as font.Face is not.
type sheetFonts struct {
	r    *Renderer
	dpi  int
	made map[style]*letters
}

func (s *sheetFonts) get(st style) (*letters, error) {
	if l, ok := s.made[st]; ok {
		return l, nil
	}
	t, twice := s.r.typeface(st)
	f, err := t.load()
	if err != nil {
		return nil, err
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: st.pt, DPI: float64(s.dpi), Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("face: font %s: %w", t.path, err)
	}
	em := st.pt / 72 * float64(s.dpi)
	l := &letters{face: face, font: f, buf: new(sfnt.Buffer), twice: twice, em: em, ascent: em * emAscent}
	s.made[st] = l
	return l, nil
}

// has reports whether the font can draw a character.
func (l *letters) has(r rune) bool {
	i, err := l.font.GlyphIndex(l.buf, r)
	return err == nil && i != 0
}

// advance is how far a character moves the pen, in dots.
func (l *letters) advance(r rune) float64 {
	if !l.has(r) {
		return l.em
	}
	a, ok := l.face.GlyphAdvance(r)
	if !ok {
		return l.em
	}
	return float64(a) / 64
}

func (l *letters) width(text string) (w float64) {
	for _, r := range text {
		w += l.advance(r)
	}
	return w
}
