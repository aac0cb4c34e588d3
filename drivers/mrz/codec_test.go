package mrz

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/vectors"
)

// meaning is what an mrz vector's meaning holds.
type meaning struct {
	Framing  Framing   `json:"framing"`
	Lines    []string  `json:"lines"`
	Format   Format    `json:"format"`
	Document *document `json:"document"`
	Fault    string    `json:"fault"`
	Command  string    `json:"command"`
}

type document struct {
	Kind        drivers.DocumentKind `json:"kind"`
	Number      string               `json:"number"`
	Name        string               `json:"name"`
	Sex         string               `json:"sex"`
	Birth       string               `json:"birth"`
	ValidTo     string               `json:"valid_to"`
	Nationality string               `json:"nationality"`
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("mrz")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// decode cuts all frames out of a recording, silence at its end included.
func decode(f Framing, p []byte) (all []frame) {
	cut, silence := cutOf(f)
	for len(p) > 0 {
		fr, skip, size := cut(p)
		p = p[skip:]
		switch {
		case size > 0:
			all = append(all, fr)
			p = p[size:]
		case silence != nil:
			if fr, ok := silence(p); ok && fr.text != "" {
				all = append(all, fr)
			}
			return all
		case len(p) > 0:
			p = p[1:]
		}
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, v := range load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			if m.Command != "" {
				if !bytes.Equal(v.Wire, elyctisOn) {
					t.Errorf("% x, want % x", elyctisOn, v.Wire)
				}
				return
			}
			frames := decode(m.Framing, v.Wire)
			if len(frames) != 1 {
				t.Fatalf("%d frames, want one", len(frames))
			}
			check(t, frames[0].text, m)
		})
	}
}

// check compares what a text says with its meaning.
func check(t *testing.T, text string, m meaning) {
	t.Helper()
	z, ok := Join(text)
	if !ok {
		if m.Fault != "damaged" || !resembles(text) {
			t.Error("no lines found")
		}
		return
	}
	d, format, err := Parse(z, now)
	switch {
	case m.Fault == "check_digit" && errors.Is(err, ErrCheckDigit), m.Fault == "damaged" && errors.Is(err, ErrDamaged):
		return
	case err != nil:
		t.Fatalf("%v, want fault %q", err, m.Fault)
	case format != m.Format:
		t.Errorf("format %s, want %s", format, m.Format)
	}
	if m.Document == nil {
		if m.Fault != "visa" {
			t.Errorf("a document, want fault %q", m.Fault)
		}
		return
	}
	got := document{d.Kind, d.Number, d.Name, d.Sex, d.Birth, d.ValidTo, d.Nationality}
	if got != *m.Document {
		t.Errorf("%+v, want %+v", got, *m.Document) // specimens
	}
}

func TestYears(t *testing.T) {
	for in, want := range map[string]string{
		"260531": "2026-05-31", "260602": "1926-06-02", "991231": "1999-12-31", "000229": "2000-02-29", "64<<<<": "", "<<<<<<": "",
	} {
		if got, err := birth(in, now); err != nil || got != want {
			t.Errorf("birth %s: %q, %v, want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{"310101": "2031-01-01", "760601": "2076-06-01", "990101": "1999-01-01", "<<<<<<": ""} {
		if got, err := expiry(in, now); err != nil || got != want {
			t.Errorf("expiry %s: %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := birth("991331", now); err == nil {
		t.Error("month 13: nil, want an error")
	}
}

// TestOnlyNumericFieldsAreRepaired puts O for each 0 of the specimen passport, one at a time.
func TestOnlyNumericFieldsAreRepaired(t *testing.T) {
	const td3 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"
	for i := 44; i < len(td3); i++ {
		if td3[i] != '0' {
			continue
		}
		_, _, err := Parse(td3[:i]+"O"+td3[i+1:], now)
		if numeric := i >= 57 && i < 64 || i >= 65 && i < 72 || i >= 86; numeric != (err == nil) {
			t.Errorf("O at %d: %v", i, err)
		}
	}
}

func TestJoinFindsLinesAmongOthers(t *testing.T) {
	a, b := strings.Repeat("A", 43)+"<", strings.Repeat("B", 44)
	for _, text := range []string{a + "\r" + b, "HELLO\r\n" + a + "\r\n" + b + "\r\n", "\r\r" + a + "_\r " + b + "__\r"} {
		if z, ok := Join(text); !ok || z != a+b {
			t.Errorf("%q: %q, %v", text, z, ok)
		}
	}
	if _, ok := Join(a); ok {
		t.Error("one line of two was taken")
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range load(f) {
		for i := range framings() {
			f.Add(v.Wire, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, which uint8) {
		framing := framings()[int(which)%len(framings())]
		cut, _ := cutOf(framing)
		_, skip, size := cut(p)
		if skip < 0 || size < 0 || skip+size > len(p) || size == 0 && len(p)-skip > longest+16 {
			t.Fatalf("skip %d, size %d of %d bytes", skip, size, len(p))
		}
		for _, fr := range decode(framing, p) {
			z, ok := Join(fr.text)
			if !ok {
				continue
			}
			before := z
			d, _, err := Parse(z, now)
			if z != before {
				t.Fatal("Parse changed its input")
			}
			if err != nil {
				continue
			}
			if d.Number == "" || d.Name == "" || slices.Contains([]byte(d.Number), '<') {
				t.Error("a document without number or name")
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, v := range load(f) {
		var m meaning
		if v.Mean(&m) == nil {
			f.Add(strings.Join(m.Lines, ""))
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, format, err := Parse(s, now)
		if err == nil && (format == "" || d.Number == "" || d.Birth > "2026-06-01") {
			t.Errorf("%v of format %q", d, format)
		}
	})
}
