package webui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed texts.json
var textsJSON []byte

// A Frame is what stands around a page's own content.
type Frame struct {
	Lang    Lang
	Theme   string // "light", "dark", or "" to follow the system
	Title   string // of the document
	Name    string // whom one talks to
	Sub     string // what this is
	User    string // who is logged in, or ""
	Version string
	Note    string // log-in: why it was not accepted; message: what now
	Typed   string // log-in: the name as typed
	Head    string // message: what happened
	Nav     []Link // to the site's documents; empty where there is only one
	View    any    // the page's own content
}

// A Link leads to a document of the site.
type Link struct {
	Href string
	Text string
	Here bool // it is the one that is shown
}

// A Part is an element that changes while the page is open: its id and its present content.
type Part struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// A Page is a set of templates in both languages. It is safe for concurrent use.
//
// The page's own files define "bar" (state in the page's header, itself a part), "main", and one
// template for every part; a part stands in "main" as an element whose id is the template's name.
type Page struct {
	texts Texts
	parts []string
	set   map[Lang]*template.Template
}

// NewPage parses a page: its templates, its own texts and the names of its parts.
func NewPage(files fs.FS, texts []byte, parts ...string) (*Page, error) {
	all, err := ReadTexts(textsJSON, texts)
	if err != nil {
		return nil, err
	}
	p := &Page{texts: all, parts: parts, set: make(map[Lang]*template.Template)}
	for _, l := range []Lang{Zh, En} {
		s := all.In(l)
		t := template.New("").Funcs(template.FuncMap{
			"icon": iconFunc(), "t": s.T, "mix": s.Mixed, "num": say, "clock": Clock,
		})
		if t, err = t.ParseFS(templates, "templates/*.html"); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
		if t, err = t.ParseFS(files, "*.html"); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
		p.set[l] = t
	}
	return p, nil
}

// Speaker returns the speaker for a whole page.
func (p *Page) Speaker(l Lang) Speaker { return p.texts.In(l) }

// LiveSpeaker returns the speaker for parts: its ages do not depend on the present moment, so that a
// part differs only when something has happened.
func (p *Page) LiveSpeaker(l Lang) Speaker {
	s := p.texts.In(l)
	s.still = true
	return s
}

// Write writes a whole document: "page", "login" or "message".
func (p *Page) Write(w io.Writer, name string, f *Frame) error {
	if err := p.set[f.Lang].ExecuteTemplate(w, name, f); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	return nil
}

// Parts renders the parts for a view that was built with LiveSpeaker.
func (p *Page) Parts(l Lang, view any) ([]Part, error) {
	out := make([]Part, 0, len(p.parts))
	var b bytes.Buffer
	for _, name := range p.parts {
		b.Reset()
		if err := p.set[l].ExecuteTemplate(&b, name, view); err != nil {
			return nil, fmt.Errorf("part %s: %w", name, err)
		}
		out = append(out, Part{ID: name, HTML: b.String()})
	}
	return out, nil
}
