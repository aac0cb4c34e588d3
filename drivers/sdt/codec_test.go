package sdt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/vectors"
)

// meaning is what an sdt vector's meaning holds.
type meaning struct {
	Command  string    `json:"command"`
	SW       string    `json:"sw"`
	Data     string    `json:"data"`
	Module   string    `json:"module"`
	Fault    string    `json:"fault"`
	Document *document `json:"document"`
	Wrong    string    `json:"wrong"`
}

type document struct {
	Kind        drivers.DocumentKind `json:"kind"`
	Number      string               `json:"number"`
	Name        string               `json:"name"`
	EnglishName string               `json:"english_name"`
	Sex         string               `json:"sex"`
	Birth       string               `json:"birth"`
	Nationality string               `json:"nationality"`
	ValidFrom   string               `json:"valid_from"`
	ValidTo     string               `json:"valid_to"`
	PassNumber  string               `json:"pass_number"`
}

func (d document) want() drivers.Document {
	return drivers.Document{
		Kind: d.Kind, Number: d.Number, Name: d.Name, EnglishName: d.EnglishName, Sex: d.Sex, Birth: d.Birth,
		Nationality: d.Nationality, ValidFrom: d.ValidFrom, ValidTo: d.ValidTo, PassNumber: d.PassNumber,
	}
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("sdt")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// equal compares documents; their fields stay out of messages by themselves.
func equal(a, b drivers.Document) bool {
	return a.Kind == b.Kind && a.Number == b.Number && a.Name == b.Name && a.EnglishName == b.EnglishName && a.Sex == b.Sex &&
		a.Birth == b.Birth && a.Nationality == b.Nationality && a.ValidFrom == b.ValidFrom && a.ValidTo == b.ValidTo &&
		a.PassNumber == b.PassNumber
}

func TestVectors(t *testing.T) {
	commands := map[string]Command{"status": CmdStatus, "id": CmdID, "find": CmdFind, "select": CmdSelect, "read": CmdRead}
	for _, v := range load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			switch {
			case v.Direction == vectors.HostToDevice && v.Valid:
				if got := AppendRequest(nil, commands[m.Command]); !bytes.Equal(got, v.Wire) {
					t.Errorf("% x, want % x", got, v.Wire)
				}
			case v.Direction == vectors.DeviceToHost && m.Document != nil:
				checkDocument(t, v.Wire, m)
			case v.Direction == vectors.DeviceToHost && v.Valid:
				checkAnswer(t, v.Wire, m)
			case v.Direction == vectors.DeviceToHost:
				checkBad(t, v.Wire, m)
			}
		})
	}
}

func checkAnswer(t *testing.T, wire []byte, m meaning) {
	t.Helper()
	a, skip, size := cut(wire)
	data, _ := hex.DecodeString(m.Data)
	if skip != 0 || size != len(wire) || hex.EncodeToString([]byte{a.SW}) != m.SW || !bytes.Equal(a.Data, data) {
		t.Fatalf("%+v, skip %d, size %d", a, skip, size)
	}
	if m.Fault != "" && FaultOf(a.SW) != m.Fault {
		t.Errorf("fault %q, want %q", FaultOf(a.SW), m.Fault)
	}
	if m.Module != "" && moduleNumber(a.Data) != m.Module {
		t.Errorf("module %q, want %q", moduleNumber(a.Data), m.Module)
	}
}

func checkDocument(t *testing.T, wire []byte, m meaning) {
	t.Helper()
	a, skip, size := cut(wire)
	if skip != 0 || size != len(wire) || a.SW != swOK {
		t.Fatalf("status %02x, skip %d, size %d", a.SW, skip, size)
	}
	text, photo, err := split(a.Data)
	if err != nil || len(photo) != photoSize {
		t.Fatalf("split: %d bytes of photo, %v", len(photo), err)
	}
	got, err := block(text).document()
	if err != nil || !equal(got, m.Document.want()) {
		t.Errorf("%v: other fields than in the vector, %v", got, err)
	}
}

func checkBad(t *testing.T, wire []byte, m meaning) {
	t.Helper()
	a, _, size := cut(wire)
	if size == 0 {
		return // not even a frame
	}
	text, _, err := split(a.Data)
	if err != nil {
		t.Fatalf("split: %v, want a text with a wrong %s", err, m.Wrong)
	}
	_, err = block(text).document()
	if want := map[string]error{"check_digit": errCheckDigit, "damaged": errText}[m.Wrong]; want == nil || !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

func TestCutResyncs(t *testing.T) {
	var good, read []byte
	for _, v := range load(t) {
		switch v.Name {
		case "card found":
			good = v.Wire
		case "resident card without end":
			read = v.Wire
		}
	}
	cases := map[string][]byte{
		"garbage before":                       append([]byte{0xAA, 0xAA, 0x96, 0xFF}, good...),
		"preamble before":                      append(bytes.Clone(preamble), good...),
		"a preamble with another length":       append([]byte{0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 5, 0, 0}, good...),
		"more AA than needed":                  append([]byte{0xAA, 0xAA}, good...),
		"the rest of a read with one in photo": append(bytes.Clone(read[len(read)-950:]), good...),
	}
	for name, wire := range cases {
		a, skip, size := cut(wire)
		if size != len(good) || skip != len(wire)-len(good) || a.SW != swFound {
			t.Errorf("%s: %+v, skip %d, size %d", name, a, skip, size)
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire)
		f.Add(append([]byte{0xAA, 0xAA, 0xAA, 0x96}, v.Wire...))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		a, skip, size := cut(p)
		if skip < 0 || size < 0 || skip+size > len(p) {
			t.Fatalf("skip %d, size %d of %d bytes", skip, size, len(p))
		}
		if size == 0 {
			if len(p)-skip > headSize+maxLen {
				t.Fatalf("%d bytes wait for an end", len(p)-skip)
			}
			return
		}
		frame := p[skip : skip+size]
		body := frame[len(preamble):]
		if !bytes.HasPrefix(frame, preamble) || checksum(body) != 0 || int(binary.BigEndian.Uint16(body))+headSize != size {
			t.Fatalf("% x is no frame", frame)
		}
		text, photo, err := split(a.Data)
		if err != nil {
			return
		}
		if len(text) != textSize || len(photo) > photoSize {
			t.Fatalf("%d bytes of text, %d of photo", len(text), len(photo))
		}
		_, _ = block(text).document()
	})
}

func FuzzText(f *testing.F) {
	for _, v := range load(f) {
		if len(v.Wire) == 1295 {
			f.Add(v.Wire[14 : 14+textSize])
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) != textSize {
			return
		}
		d, err := block(p).document()
		if err != nil {
			return
		}
		if d.Name == "" || d.Number == "" || len(d.Birth) != 10 || len(d.ValidFrom) != 10 {
			t.Error("a document without name, number or dates")
		}
		if d.Kind != drivers.DocForeigner && !Mod11(d.Number) {
			t.Error("a number with a wrong check digit")
		}
	})
}
