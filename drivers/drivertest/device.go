package drivertest

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"yipiao/drivers"
	"yipiao/drivers/port"
)

// Device checks the contract of drivers.Device.
func Device(t *testing.T, b Bench) {
	checks := []struct {
		name  string
		check func(*testing.T, Bench)
	}{
		{"RunReturnsNilWhenItsContextEnds", runEndsWithContext},
		{"RunReturnsAtOnceForAContextThatHasEnded", runEndsAtOnce},
		{"RunFailsWhenTheDeviceVanishes", runFailsWithPort},
		{"RunMayFollowAnother", runAgain},
		{"ReportsWhatHappens", reports},
		{"SurvivesGarbage", survivesGarbage},
		{"TellsHealthAtMostTwiceASecond", healthIsPaced},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			b.in(t, func(t *testing.T) { c.check(t, b) })
		})
	}
}

// Kind checks what the registry relies on: a Kind whose settings are optional and strict.
func Kind(t *testing.T, k drivers.Kind) {
	t.Helper()
	var r drivers.Registry
	r.Add(k) // panics on a bad one
	if !strings.ContainsFunc(k.Title, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		t.Errorf("title %q, want Chinese first", k.Title)
	}
	for _, none := range []string{"", "null", "{}"} {
		if _, err := k.New(json.RawMessage(none)); err != nil {
			t.Errorf("settings %q: %v, want the defaults", none, err)
		}
	}
	const unknown = "no_such_setting"
	_, err := k.New(json.RawMessage(`{"` + unknown + `":1}`))
	if err == nil || !strings.Contains(err.Error(), unknown) {
		t.Errorf("an unknown setting: %v, want an error that names it", err)
	}
}

func newDevice(t *testing.T, b Bench) drivers.Device {
	t.Helper()
	dev, err := b.New()
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

func runEndsWithContext(t *testing.T, b Bench) {
	r := b.start(t, newDevice(t, b))
	r.up()
	r.cancel()
	if took := r.ended(); took > b.atMost(endsWithin) {
		t.Errorf("Run returned after %v, want %v at most", took, endsWithin)
	}
	if r.err != nil {
		t.Errorf("Run: %v, want nil", r.err)
	}
}

func runEndsAtOnce(t *testing.T, b Bench) {
	r := b.start(t, newDevice(t, b))
	r.cancel()
	if took := r.ended(); took > b.atMost(endsWithin) || r.err != nil {
		t.Errorf("Run: %v after %v", r.err, took)
	}
}

func runFailsWithPort(t *testing.T, b Bench) {
	r := b.start(t, newDevice(t, b))
	r.up()
	r.line.Pull()
	if took := r.ended(); took > b.atMost(endsWithin) {
		t.Errorf("Run returned after %v, want %v at most", took, endsWithin)
	}
	if !errors.Is(r.err, port.ErrGone) {
		t.Errorf("Run: %v, want port.ErrGone", r.err)
	}
}

func runAgain(t *testing.T, b Bench) {
	dev := newDevice(t, b)
	for range 3 {
		r := b.start(t, dev)
		next := r.up()
		r.line.Provoke()
		r.await(next, "what was provoked", r.line.Provoked)
		r.line.Pull()
		r.ended()
	}
}

func reports(t *testing.T, b Bench) {
	r := b.start(t, newDevice(t, b))
	next := r.up()
	r.line.Provoke()
	r.await(next, "what was provoked", r.line.Provoked)
}

func survivesGarbage(t *testing.T, b Bench) {
	for seed := range uint64(b.often(5)) {
		r := b.start(t, newDevice(t, b))
		next := r.up()
		rnd := rand.New(rand.NewPCG(seed, 0))
		for range b.often(20) {
			r.line.Raw(noise(rnd))
			b.elapse(time.Duration(rnd.IntN(400)) * time.Millisecond)
		}
		b.elapse(3 * time.Second) // and quiet again
		r.line.Provoke()
		r.await(next, "what was provoked after garbage", r.line.Provoked)
		r.cancel()
		r.ended()
	}
}

// noise is what a wrong speed, a bad cable or another device sends.
func noise(r *rand.Rand) []byte {
	p := make([]byte, 1+r.IntN(600))
	kind := r.IntN(3)
	for i := range p {
		switch kind {
		case 0:
			p[i] = byte(r.UintN(256))
		case 1:
			p[i] = byte(' ' + r.UintN(95))
		default:
			p[i] = 0xFF
		}
	}
	return p
}

func healthIsPaced(t *testing.T, b Bench) {
	r := b.start(t, newDevice(t, b))
	next := r.up()
	rnd := rand.New(rand.NewPCG(1, 1))
	for range b.often(120) {
		r.line.Raw(noise(rnd))
		b.elapse(50 * time.Millisecond)
	}
	if b.Real { // the garbage was shorter than some drivers' patience
		r.await(next, "health to be told again", func(e drivers.Event) bool { _, ok := e.(drivers.Health); return ok })
	}
	var last []time.Time
	for _, s := range r.seen() {
		if _, ok := s.event.(drivers.Health); !ok {
			continue
		}
		last = append(last, s.at)
		if n := len(last); n > 2 && last[n-1].Sub(last[n-3]) < b.atLeast(time.Second) {
			t.Errorf("three health reports within %v", last[n-1].Sub(last[n-3]))
		}
	}
	if len(last) < 2 {
		t.Errorf("%d health reports during seconds of garbage, want some", len(last))
	}
}
