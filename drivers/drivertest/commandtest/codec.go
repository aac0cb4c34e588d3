package commandtest

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/vectors"
)

// A Meaning is what a vector's meaning holds, docs/protocols/newland.md and honeywell.md.
type Meaning struct {
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

func (m Meaning) parts() (all []part) {
	for _, p := range m.Parts {
		x := part{line: p.Line}
		if p.Answer != nil {
			x.answer = codeline.Answer{Text: p.Answer.Text, Status: p.Answer.Status}
		}
		all = append(all, x)
	}
	return all
}

// Load calls take with every vector.
func (s Scanner) Load(t testing.TB, take func(v vectors.Vector, m Meaning)) {
	t.Helper()
	vs, err := vectors.Load(s.Kind.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		var m Meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		take(v, m)
	}
}

// split takes a recording apart which is read in pieces, silence at its end included.
func (s Scanner) split(wire []byte, piece func() int) (all []part, spoilt bool) {
	sp := s.Splitter()
	line := func(p []byte) {
		if n := len(all); n > 0 && all[n-1].answer.Status == 0 {
			all[n-1].line += string(p)
			return
		}
		all = append(all, part{line: string(p)})
	}
	for len(wire) > 0 {
		n := min(piece(), len(wire))
		sp.Split(wire[:n], line, func(a codeline.Answer) { all = append(all, part{answer: a}) })
		wire = wire[n:]
	}
	spoilt = sp.Idle(line)
	if sp.Pending() {
		panic("pending after silence")
	}
	return all, spoilt
}

// Vectors takes all recordings apart, in pieces of several sizes.
func (s Scanner) Vectors(t *testing.T) {
	s.Load(t, func(v vectors.Vector, m Meaning) {
		if v.Direction == vectors.HostToDevice {
			return
		}
		t.Run(v.Name, func(t *testing.T) {
			for _, size := range []int{len(v.Wire), 1, 5} {
				got, spoilt := s.split(v.Wire, func() int { return size })
				want := m.parts()
				if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) || spoilt != m.Spoilt {
					t.Errorf("pieces of %d: %+v, spoilt %v\nwant %+v, %v", size, got, spoilt, want, m.Spoilt)
				}
			}
		})
	})
}

// Fuzz: in whatever pieces a recording is read, the same comes out of it.
func (s Scanner) Fuzz(f *testing.F) {
	s.Load(f, func(v vectors.Vector, _ Meaning) { f.Add(v.Wire, uint64(1)) })
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		got, _ := s.split(wire, func() int { return len(wire) })
		if again, _ := s.split(wire, func() int { return 1 + r.IntN(len(wire)) }); !reflect.DeepEqual(got, again) {
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
