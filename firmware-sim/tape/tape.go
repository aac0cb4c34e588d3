// Package tape records what happens at the simulated devices, so that a demonstration screen or a
// test can follow it.
//
// It knows events, their order and how they look on a screen. It must not know devices, and keeps nothing on
// disk: an event may show a whole code, as bytes on a simulated wire.
package tape

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// An Event is something that happened at a simulated device.
type Event struct {
	Seq    uint64    `json:"seq"` // 1 is the first
	Time   time.Time `json:"time"`
	Device string    `json:"device"`
	Kind   string    `json:"kind"`          // a word for programs, such as "sent" or "passed"
	Text   string    `json:"text"`          // a line for people, Chinese first
	Hex    string    `json:"hex,omitempty"` // bytes on the wire, where there were any
}

// A Tape keeps the newest events of each device of a bench, so that one which is polled does not crowd out the
// others. It is safe for concurrent use.
type Tape struct {
	now  func() time.Time
	keep int

	mu      sync.Mutex // guards the fields below
	events  map[string][]Event
	next    uint64
	changed chan struct{} // closed at the next event
}

// New makes a tape which keeps the newest n events of each device.
func New(n int) *Tape {
	return &Tape{now: time.Now, keep: max(n, 1), events: make(map[string][]Event), next: 1, changed: make(chan struct{})}
}

// Add records an event. wire may be nil.
func (t *Tape) Add(device, kind, text string, wire []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := Event{Seq: t.next, Time: t.now(), Device: device, Kind: kind, Text: text, Hex: hex.EncodeToString(wire)}
	t.next++
	kept := t.events[device]
	if len(kept) >= 2*t.keep { // now and then, and not for each event
		kept = slices.Clone(kept[t.keep:])
	}
	t.events[device] = append(kept, e)
	close(t.changed)
	t.changed = make(chan struct{})
}

// Recorder is the tape as one device sees it.
func (t *Tape) Recorder(device string) Recorder { return Recorder{tape: t, device: device} }

// A Recorder adds events under one device's name. The zero Recorder records nothing.
type Recorder struct {
	tape   *Tape
	device string
}

// Add records an event of the device.
func (r Recorder) Add(kind, text string, wire []byte) {
	if r.tape != nil {
		r.tape.Add(r.device, kind, text, wire)
	}
}

// Last is the number of the newest event, 0 before the first.
func (t *Tape) Last() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next - 1
}

// Since returns the events after seq which are still kept, oldest first, of one device or of all
// where device is "". If there are none it waits for one until ctx ends, and then returns none.
func (t *Tape) Since(ctx context.Context, device string, seq uint64) []Event {
	for {
		found, changed := t.since(device, seq)
		if len(found) > 0 {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *Tape) since(device string, seq uint64) (found []Event, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if device != "" {
		return slices.Clone(t.after(device, seq)), t.changed
	}
	for name := range t.events {
		found = append(found, t.after(name, seq)...)
	}
	slices.SortFunc(found, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return found, t.changed
}

// after is what is kept of one device; t.mu is held.
func (t *Tape) after(device string, seq uint64) []Event {
	kept := t.events[device]
	kept = kept[max(0, len(kept)-t.keep):]
	at, _ := slices.BinarySearchFunc(kept, seq+1, func(e Event, n uint64) int { return cmp.Compare(e.Seq, n) })
	return kept[at:]
}
