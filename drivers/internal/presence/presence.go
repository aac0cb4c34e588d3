// Package presence remembers which chips are in a reader's field, so that a chip that stays is told once.
//
// It knows identifiers and times. It must not know protocols.
package presence

import "time"

// most is how many chips are remembered; more than any field holds. Beyond it, new chips are told each time.
const most = 4096

// A Field is what a reader has seen lately. It belongs to one goroutine.
type Field struct {
	absence time.Duration
	seen    map[string]time.Time // when last
	swept   time.Time
}

// New makes a field in which a chip is new again once it was not seen for the given time.
func New(absence time.Duration) *Field {
	return &Field{absence: absence, seen: make(map[string]time.Time)}
}

// See notes a chip and reports whether it is new.
func (f *Field) See(id []byte, now time.Time) bool {
	last, known := f.seen[string(id)]
	fresh := !known || now.Sub(last) >= f.absence
	if !known && len(f.seen) >= most {
		f.sweep(now)
	}
	if known || len(f.seen) < most {
		f.seen[string(id)] = now
	}
	if now.Sub(f.swept) >= 10*f.absence {
		f.sweep(now)
	}
	return fresh
}

// sweep forgets chips that have gone.
func (f *Field) sweep(now time.Time) {
	f.swept = now
	for id, last := range f.seen {
		if now.Sub(last) >= f.absence {
			delete(f.seen, id)
		}
	}
}
