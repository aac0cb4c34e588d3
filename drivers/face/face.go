// Package face describes what is printed on a ticket, once, for every printer: texts, codes, lines and
// a base image at places in millimetres. Printers render a laid-out page, each in its own way; Renderer
// makes dots of it for those that print dots.
//
// It knows paper and ink. It must not know tickets, printers' languages or ports.
package face

// A Face is a design: elements with variables, as the cloud's planners make it (SHOW-6.2.1.2).
type Face struct {
	Name     string    `json:"name"`
	WidthMM  float64   `json:"width_mm"`
	HeightMM float64   `json:"height_mm"`
	Base     []byte    `json:"base,omitempty"` // PNG under everything, stretched to the page; what is darker than half prints
	Elements []Element `json:"elements"`
}

// A Kind is what sort of element it is.
type Kind string

// Kinds of elements.
const (
	Text    Kind = "text"
	QR      Kind = "qr"
	Code128 Kind = "code128"
	Line    Kind = "line"
	Box     Kind = "box"
)

// A Font is a family of letters; the station's configuration says which files have it.
type Font string

// Fonts.
const (
	Sans  Font = "" // the default
	Serif Font = "serif"
)

// An Element is one thing on a face. Text may hold variables in braces, such as {seat}; a variable
// without a value prints nothing, and an element that consists of such variables only is left out. A
// code without a text is an error instead: a ticket without its code is no ticket.
//
// A text with W stays on one line and shrinks until it fits; with W and H it wraps, and shrinks until it
// fits. A text without W has its left edge, middle or right edge at X. A code clears the paper below it
// and keeps its quiet zone within W (and H); a QR code is W wide and high. A line runs from (X, Y) by W
// to the right or by H down. Later elements lie over earlier ones.
type Element struct {
	Kind   Kind    `json:"kind"`
	X      float64 `json:"x"`           // mm from the left edge
	Y      float64 `json:"y"`           // mm from the top edge
	W      float64 `json:"w,omitempty"` // mm
	H      float64 `json:"h,omitempty"` // mm
	Text   string  `json:"text,omitempty"`
	SizePt float64 `json:"size_pt,omitempty"` // height of a Chinese character, 1/72 inch
	Font   Font    `json:"font,omitempty"`
	Bold   bool    `json:"bold,omitempty"`
	Align  string  `json:"align,omitempty"`  // left (default) | center | right
	Rotate int     `json:"rotate,omitempty"` // 0, 90, 180, 270 degrees clockwise about (x, y)
	Stroke float64 `json:"stroke,omitempty"` // mm; width of a line or of a box's border, default 0.25
	Dash   bool    `json:"dash,omitempty"`   // line: as for tearing off
	Fill   bool    `json:"fill,omitempty"`   // box: black all over
	White  bool    `json:"white,omitempty"`  // text, line, box: takes ink away, for use on a filled box
}

// Values are the values of a face's variables for one ticket.
type Values map[string]string

// A Page is a face with its values: what one ticket shows. Printers get pages.
type Page struct {
	Face     *Face
	Elements []Element // resolved: no variables left
}
