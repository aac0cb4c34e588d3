package mrz

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"yipiao/drivers"
)

// A Format is one of the layouts of ICAO 9303.
type Format string

// Formats: lines by characters.
const (
	TD1  Format = "TD1"   // 3 x 30, cards
	TD2  Format = "TD2"   // 2 x 36
	TD3  Format = "TD3"   // 2 x 44, passports
	MRVA Format = "MRV-A" // 2 x 44, visas
	MRVB Format = "MRV-B" // 2 x 36, visas
)

// Faults of a zone. They say nothing about the person.
var (
	ErrCheckDigit = errors.New("mrz: a check digit is wrong")
	ErrDamaged    = errors.New("mrz: unusable zone")
)

// A span is characters of a zone whose lines were joined; to is the one after the last.
type span struct{ from, to int }

// A layout is where things stand. Each checked span is followed by its check digit.
type layout struct {
	name, number, nationality, birth, expiry span
	optional                                 span // takes the rest of a number of more than nine characters; else checked
	sex                                      int
	overflow                                 bool // optional takes the rest
	composite                                int  // 0 for none
	over                                     []span
}

// layouts, ICAO 9303 parts 4 to 7.
var layouts = map[Format]layout{
	TD3: {
		name: span{5, 44}, number: span{44, 53}, nationality: span{54, 57}, birth: span{57, 63}, sex: 64, expiry: span{65, 71},
		optional: span{72, 86}, composite: 87, over: []span{{44, 54}, {57, 64}, {65, 87}},
	},
	MRVA: {name: span{5, 44}, number: span{44, 53}, nationality: span{54, 57}, birth: span{57, 63}, sex: 64, expiry: span{65, 71}},
	TD2: {
		name: span{5, 36}, number: span{36, 45}, nationality: span{46, 49}, birth: span{49, 55}, sex: 56, expiry: span{57, 63},
		optional: span{64, 71}, overflow: true, composite: 71, over: []span{{36, 46}, {49, 56}, {57, 71}},
	},
	MRVB: {name: span{5, 36}, number: span{36, 45}, nationality: span{46, 49}, birth: span{49, 55}, sex: 56, expiry: span{57, 63}},
	TD1: {
		name: span{60, 90}, number: span{5, 14}, nationality: span{45, 48}, birth: span{30, 36}, sex: 37, expiry: span{38, 44},
		optional: span{15, 30}, overflow: true, composite: 59, over: []span{{5, 37}, {38, 45}, {48, 59}},
	},
}

// formatOf tells the format of a joined zone.
func formatOf(z string) (Format, bool) {
	visa := strings.HasPrefix(z, "V")
	switch {
	case len(z) == 90:
		return TD1, true
	case len(z) == 88 && visa:
		return MRVA, true
	case len(z) == 88:
		return TD3, true
	case len(z) == 72 && visa:
		return MRVB, true
	case len(z) == 72:
		return TD2, true
	}
	return "", false
}

// A zone is the joined lines of one document.
type zone []byte

func (z zone) text(s span) string { return string(z[s.from:s.to]) }

// value is the number that a character stands for in a check digit.
func value(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	}
	return 0
}

// digitOf is the check digit of a text: weights 7, 3, 1 (ICAO 9303 part 3, 4.9).
func digitOf(text string) byte {
	sum := 0
	for i := range len(text) {
		sum += value(text[i]) * [3]int{7, 3, 1}[i%3]
	}
	return byte('0' + sum%10)
}

// holds reports whether a cell is the check digit of a text; an empty text may have a filler for it.
func holds(text string, cell byte) bool {
	return cell == digitOf(text) || cell == '<' && strings.Trim(text, "<") == ""
}

// repair reads O as 0 where only a digit can stand: dates and check digits. Nothing else is guessed at.
func (z zone) repair(l layout) {
	cells := []int{l.number.to, l.birth.to, l.expiry.to}
	if l.composite > 0 {
		cells = append(cells, l.composite)
	}
	if !l.overflow && l.optional.to > 0 {
		cells = append(cells, l.optional.to)
	}
	for _, s := range []span{l.birth, l.expiry} {
		for i := s.from; i < s.to; i++ {
			cells = append(cells, i)
		}
	}
	for _, i := range cells {
		if z[i] == 'O' {
			z[i] = '0'
		}
	}
}

// Parse reads the joined lines of a zone. Two digits of a year are taken for the latest that is not after now
// (birth), or not more than fifty years after it (expiry). The error is ErrCheckDigit or wraps ErrDamaged.
func Parse(lines string, now time.Time) (drivers.Document, Format, error) {
	f, ok := formatOf(lines)
	if !ok {
		return drivers.Document{}, "", fmt.Errorf("%w: %d characters", ErrDamaged, len(lines))
	}
	for i := range len(lines) {
		if !inAlphabet(lines[i]) {
			return drivers.Document{}, f, fmt.Errorf("%w: a character was not read", ErrDamaged)
		}
	}
	z, l := zone(lines), layouts[f]
	z.repair(l)
	number, ok := z.number(l)
	if !ok || !z.checked(l) {
		return drivers.Document{}, f, ErrCheckDigit
	}
	d := drivers.Document{
		Kind: drivers.DocTravelCard, Number: number, Name: words(z.text(l.name)), Nationality: state(z.text(l.nationality)),
		Sex: sex(z[l.sex]),
	}
	if f == TD3 {
		d.Kind = drivers.DocPassport
	}
	var err error
	if d.Birth, err = birth(z.text(l.birth), now); err == nil {
		d.ValidTo, err = expiry(z.text(l.expiry), now)
	}
	if err != nil || d.Name == "" {
		return drivers.Document{}, f, fmt.Errorf("%w: name or dates", ErrDamaged)
	}
	return d, f, nil
}

// number reads the document's number, which in TD1 and TD2 may go on in the optional field: then a filler stands in
// place of its check digit, and that follows the rest.
func (z zone) number(l layout) (string, bool) {
	n, cell := z.text(l.number), z[l.number.to]
	if l.overflow && cell == '<' {
		rest, _, _ := strings.Cut(z.text(l.optional), "<")
		if len(rest) > 1 {
			last := rest[len(rest)-1]
			if last == 'O' {
				last = '0'
			}
			n, cell = n+rest[:len(rest)-1], last
		}
	}
	bare := strings.TrimRight(n, "<")
	return strings.ReplaceAll(bare, "<", ""), bare != "" && cell == digitOf(n)
}

// checked reports whether all check digits but the number's are right.
func (z zone) checked(l layout) bool {
	if !holds(z.text(l.birth), z[l.birth.to]) || !holds(z.text(l.expiry), z[l.expiry.to]) {
		return false
	}
	if !l.overflow && l.optional.to > 0 && !holds(z.text(l.optional), z[l.optional.to]) {
		return false
	}
	if l.composite == 0 {
		return true
	}
	all := ""
	for _, s := range l.over {
		all += z.text(s)
	}
	return z[l.composite] == digitOf(all)
}

// words are the parts of a name with one space between.
func words(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '<' }), " ")
}

// state is a country as ISO 3166-1 has it: only Germany is written otherwise.
func state(s string) string {
	if s = strings.TrimRight(s, "<"); s == "D" {
		return "DEU"
	}
	return s
}

func sex(c byte) string {
	if c == 'M' || c == 'F' {
		return string(c)
	}
	return ""
}

// birth reads YYMMDD, of which month and day, or all, may be unknown and are then fillers.
func birth(s string, now time.Time) (string, error) {
	if strings.Contains(s, "<") {
		return "", nil
	}
	d, err := date("20" + s)
	if err == nil && d > now.Format(time.DateOnly) {
		d, err = date("19" + s)
	}
	if err != nil { // 29 February 1900 and 2000 are not the same
		return date("19" + s)
	}
	return d, nil
}

// expiry reads YYMMDD; fillers alone are a document without end.
func expiry(s string, now time.Time) (string, error) {
	if strings.Trim(s, "<") == "" {
		return "", nil
	}
	d, err := date("20" + s)
	if err == nil && d > now.AddDate(50, 0, 0).Format(time.DateOnly) {
		return date("19" + s)
	}
	return d, err
}

// date turns YYYYMMDD into YYYY-MM-DD.
func date(s string) (string, error) {
	t, err := time.Parse("20060102", s)
	if err != nil {
		return "", ErrDamaged
	}
	return t.Format(time.DateOnly), nil
}
