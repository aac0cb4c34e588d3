package face

import (
	"strings"
	"unicode"
)

// Layout puts a ticket's values into a face. It validates the face, and returns a *FieldError that names
// element and field: for a code whose text is empty, and for whatever Validate finds. Values that the
// face does not use are ignored; control characters in values become spaces, except line ends.
func Layout(f *Face, values Values) (*Page, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	p := &Page{Face: f}
	for i, e := range f.Elements {
		if e.Kind != Text && e.Kind != QR && e.Kind != Code128 {
			p.Elements = append(p.Elements, e)
			continue
		}
		text, vars := resolve(e.Text, values)
		switch blank := strings.TrimSpace(text) == ""; {
		case blank && e.Kind != Text:
			return nil, f.wrongAt(i, "text", "%s has no value, and a code cannot be left out", e.Text)
		case len(text) > maxText:
			return nil, f.wrongAt(i, "text", "%d bytes with its values, want at most %d", len(text), maxText)
		case blank && vars:
			continue
		}
		e.Text = text
		p.Elements = append(p.Elements, e)
	}
	return p, nil
}

// resolve puts values into a text and reports whether it has variables.
func resolve(text string, values Values) (string, bool) {
	var b strings.Builder
	vars := false
	for _, p := range split(text) {
		if p.name == "" {
			b.WriteString(p.plain)
			continue
		}
		vars = true
		b.WriteString(strings.Map(clean, strings.ToValidUTF8(values[p.name], "\uFFFD")))
	}
	return b.String(), vars
}

func clean(r rune) rune {
	if r != '\n' && unicode.IsControl(r) {
		return ' '
	}
	return r
}
