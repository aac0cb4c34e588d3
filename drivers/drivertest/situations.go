package drivertest

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
)

// A Situation is something that happens on a line and that every driver has to cope with.
type Situation string

// The situations, each the name of a test.
const (
	Garbage        Situation = "GarbageBeforeAndAfterAFrame"
	HalfFrames     Situation = "HalfFrames"
	TwoFrames      Situation = "TwoFramesInOneRead"
	SingleBytes    Situation = "OneByteAtATime"
	Slow           Situation = "ASlowDevice"
	NeverAnswers   Situation = "ADeviceThatNeverAnswers"
	OtherAnswer    Situation = "AnAnswerToAnotherQuestion"
	UnplugAnywhere Situation = "UnplugAtEveryStep"
	CancelAnywhere Situation = "CancelAtEveryStep"
)

// AllSituations lists them.
func AllSituations() []Situation {
	return []Situation{Garbage, HalfFrames, TwoFrames, SingleBytes, Slow, NeverAnswers, OtherAnswer, UnplugAnywhere, CancelAnywhere}
}

// Reasons why a situation cannot be for a kind.
const (
	asksNothing = "nobody asks it anything: it speaks by itself or not at all"
	wholeReads  = "the kernel hands over whole reports or events, never a part of one"
	obeysOnly   = "it obeys in silence: no command has an answer, and its driver says that nothing can be seen"
	oneReport   = "a read is one report"
	unasked     = "nobody asks it anything unless an operator triggers it, and USB says whether it is there"
)

// exceptions are the situations that cannot be, by kind.
var exceptions = map[string]map[Situation]string{
	"linescan": {NeverAnswers: asksNothing, OtherAnswer: asksNothing},
	"wedge":    {NeverAnswers: asksNothing, OtherAnswer: asksNothing, SingleBytes: wholeReads},
	"hidpos":   {NeverAnswers: unasked, OtherAnswer: unasked, TwoFrames: oneReport, SingleBytes: wholeReads},
	"mrz":      {NeverAnswers: asksNothing, OtherAnswer: asksNothing},
	"acatri":   {NeverAnswers: obeysOnly, OtherAnswer: obeysOnly},
	"wiegand":  {OtherAnswer: asksNothing},
}

// Exceptions lists the situations that cannot be, with the reason, by kind.
func Exceptions() map[string]map[Situation]string { return exceptions }

// Situations puts a driver of a kind into every situation that can be, in a bubble. A situation in which nothing is lost
// must not keep the driver from telling what is provoked; after one in which something is, it must tell it again.
func Situations(t *testing.T, kind drivers.Kind, b Bench) {
	whole := exceptions[kind.Name][SingleBytes] != ""
	checks := map[Situation]func(*testing.T, Bench){
		Garbage: garbage, HalfFrames: halfFrames, TwoFrames: twoFrames, SingleBytes: singleBytes,
		Slow:         func(t *testing.T, b Bench) { slow(t, b, whole) },
		NeverAnswers: neverAnswers, OtherAnswer: otherAnswer,
		UnplugAnywhere: func(t *testing.T, b Bench) { everyStep(t, b, true, whole) },
		CancelAnywhere: func(t *testing.T, b Bench) { everyStep(t, b, false, whole) },
	}
	for _, s := range AllSituations() {
		if exceptions[kind.Name][s] == "" {
			t.Run(string(s), func(t *testing.T) { checks[s](t, b) })
		}
	}
}

// via runs a driver over a relay in a bubble.
func (b Bench) via(t *testing.T, r *relay, test func(t *testing.T, run *run)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b.over = r.begin
		test(t, b.start(t, newDevice(t, b)))
	})
}

// tells provokes, and expects it to be told.
func (r *run) tells(what string) {
	r.t.Helper()
	from := len(r.seen())
	r.line.Provoke()
	r.await(from, what, r.line.Provoked)
}

// recovers expects what is provoked to be told once the line is as it should be.
func (r *run) recovers(what string) {
	r.t.Helper()
	const calm = 5 * time.Second // an alarm ends meanwhile
	Elapse(calm)
	from := len(r.seen())
	for range 6 { // the first one may have been told before
		r.line.Provoke()
		Elapse(calm)
		if e, _, _ := r.find(from, r.line.Provoked); e != nil {
			return
		}
	}
	r.t.Errorf("%s: what is provoked is not told any more", what)
}

// A tamper treats pieces while it is on.
type tamper struct {
	mu sync.Mutex // guards the field below
	on bool
	do func(wire []byte) []piece
}

func (x *tamper) set(on bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.on = on
}

func (x *tamper) treat(wire []byte) []piece {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.on {
		return now(wire)
	}
	return x.do(wire)
}

// spoilt runs a driver which works, spoils what it reads for a while in which much is provoked, and expects it to recover.
func spoilt(t *testing.T, b Bench, what string, r *relay, do func(wire []byte) []piece) {
	t.Helper()
	x := &tamper{do: do}
	r.treat = x.treat
	b.via(t, r, func(t *testing.T, run *run) {
		run.up()
		run.tells("before " + what)
		Elapse(time.Second)
		x.set(true)
		for range 5 {
			run.line.Provoke()
			Elapse(700 * time.Millisecond)
		}
		x.set(false)
		run.recovers(what)
	})
}

func garbage(t *testing.T, b Bench) {
	rnd := rand.New(rand.NewPCG(7, 7))
	spoilt(t, b, "garbage before and after each frame", &relay{}, func(wire []byte) []piece {
		return now(bytes.Join([][]byte{noise(rnd)[:1], wire, noise(rnd)}, nil))
	})
	spoilt(t, b, "garbage around each frame, read apart", &relay{}, func(wire []byte) []piece {
		return []piece{{time.Now(), noise(rnd)}, {time.Now(), wire}, {time.Now(), noise(rnd)}}
	})
}

func halfFrames(t *testing.T, b Bench) {
	spoilt(t, b, "first halves", &relay{}, func(wire []byte) []piece { return now(wire[:len(wire)/2]) })
	spoilt(t, b, "second halves", &relay{}, func(wire []byte) []piece { return now(wire[len(wire)/2:]) })
	spoilt(t, b, "a half before each frame", &relay{}, func(wire []byte) []piece {
		return append(now(wire[:len(wire)/2]), now(wire)...)
	})
}

func twoFrames(t *testing.T, b Bench) {
	const together = 4 * time.Millisecond
	r := &relay{join: together}
	b.via(t, r, func(t *testing.T, run *run) {
		run.up()
		run.tells("frames that are read together")
		for _, wire := range r.seen() {
			run.line.Raw(bytes.Repeat(wire, 2))
			Elapse(300 * time.Millisecond)
		}
		run.recovers("every frame twice in one read")
	})
}

func singleBytes(t *testing.T, b Bench) {
	b.via(t, &relay{most: 1}, func(t *testing.T, run *run) {
		run.up()
		run.tells("one byte at a time")
	})
}

// slow: each frame comes late, and where that can be with a gap within it.
func slow(t *testing.T, b Bench, whole bool) {
	const late, gap = 60 * time.Millisecond, 8 * time.Millisecond
	r := &relay{treat: func(wire []byte) []piece {
		at, half := time.Now().Add(late), len(wire)/2
		if whole {
			return []piece{{at, wire}}
		}
		return []piece{{at, wire[:half]}, {at.Add(gap), wire[half:]}}
	}}
	b.via(t, r, func(t *testing.T, run *run) {
		run.up()
		run.tells("a slow device")
	})
}

// neverAnswers: it must not be taken for a good one, and is one as soon as it answers.
func neverAnswers(t *testing.T, b Bench) {
	x := &tamper{on: true, do: func([]byte) []piece { return nil }}
	b.via(t, &relay{treat: x.treat}, func(t *testing.T, run *run) {
		Elapse(time.Minute)
		var last drivers.Health
		for _, s := range run.seen() {
			if h, ok := s.event.(drivers.Health); ok {
				last = h
			}
		}
		if last.State != drivers.StateLost {
			t.Errorf("health %+v after a minute of silence, want lost", last)
		}
		x.set(false)
		run.await(len(run.seen()), "it to be well", func(e drivers.Event) bool {
			h, ok := e.(drivers.Health)
			return ok && h.State == drivers.StateOK
		})
		run.recovers("silence")
	})
}

// otherAnswer: instead of each answer comes one that was given before, to something else where there is such a one.
func otherAnswer(t *testing.T, b Bench) {
	n := 0
	instead, before := &relay{}, &relay{}
	spoilt(t, b, "answers to other questions", instead, func(wire []byte) []piece {
		seen := instead.seen()
		for range seen {
			if n++; !bytes.Equal(seen[n%len(seen)], wire) {
				return now(seen[n%len(seen)])
			}
		}
		return nil
	})
	spoilt(t, b, "an old answer before each", before, func(wire []byte) []piece {
		seen := before.seen()
		n++
		return append(now(seen[n%len(seen)]), now(wire)...)
	})
}
