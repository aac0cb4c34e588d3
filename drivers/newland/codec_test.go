package newland_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/newland"
	"yipiao/drivers/vectors"
)

// meaning is what a vector's meaning holds, docs/protocols/newland.md.
type meaning struct {
	Parts []struct {
		Line   string `json:"line"`
		Answer *struct {
			Text   string `json:"text"`
			Status byte   `json:"status"`
		} `json:"answer"`
	} `json:"parts"`
	Spoilt    bool   `json:"spoilt"`
	Command   string `json:"command"`
	Answer    any    `json:"answer"`
	AnswerHex string `json:"answer_hex"`
	Chain     string `json:"chain"`
}

// A part is a stretch of lines, or an answer.
type part struct {
	line   string
	answer codeline.Answer
}

func (m meaning) parts() (all []part) {
	for _, p := range m.Parts {
		x := part{line: p.Line}
		if p.Answer != nil {
			x.answer = codeline.Answer{Text: p.Answer.Text, Status: p.Answer.Status}
		}
		all = append(all, x)
	}
	return all
}

func load(t testing.TB, take func(v vectors.Vector, m meaning)) {
	t.Helper()
	vs, err := vectors.Load("newland")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		take(v, m)
	}
}

// split takes a recording apart which is read in pieces, silence at its end included.
func split(wire []byte, piece func() int) (all []part, spoilt bool) {
	var s newland.Splitter
	line := func(p []byte) {
		if n := len(all); n > 0 && all[n-1].answer.Status == 0 {
			all[n-1].line += string(p)
			return
		}
		all = append(all, part{line: string(p)})
	}
	for len(wire) > 0 {
		n := min(piece(), len(wire))
		s.Split(wire[:n], line, func(a codeline.Answer) { all = append(all, part{answer: a}) })
		wire = wire[n:]
	}
	spoilt = s.Idle(line)
	if s.Pending() {
		panic("pending after silence")
	}
	return all, spoilt
}

func TestVectors(t *testing.T) {
	load(t, func(v vectors.Vector, m meaning) {
		if v.Direction == vectors.HostToDevice {
			return
		}
		t.Run(v.Name, func(t *testing.T) {
			for _, size := range []int{len(v.Wire), 1, 5} {
				got, spoilt := split(v.Wire, func() int { return size })
				want := m.parts()
				if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) || spoilt != m.Spoilt {
					t.Errorf("pieces of %d: %+v, spoilt %v\nwant %+v, %v", size, got, spoilt, want, m.Spoilt)
				}
			}
		})
	})
}

func FuzzSplitter(f *testing.F) {
	load(f, func(v vectors.Vector, _ meaning) { f.Add(v.Wire, uint64(1)) })
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		got, _ := split(wire, func() int { return len(wire) })
		if again, _ := split(wire, func() int { return 1 + r.IntN(len(wire)) }); !reflect.DeepEqual(got, again) {
			t.Fatalf("whole  %q\npieces %q", got, again)
		}
		total := 0
		for _, p := range got {
			total += len(p.line) + len(p.answer.Text)
		}
		if total > len(wire) {
			t.Errorf("%d bytes of %d", total, len(wire))
		}
	})
}
