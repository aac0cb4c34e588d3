// Package vitals keeps the health of one device while its driver runs, and emits it as often as the
// contract allows and no more.
//
// It knows drivers.Health. It must not know protocols or ports.
package vitals

import (
	"time"

	"yipiao/drivers"
)

// A change of state is worth telling at once; counters alone only now and then.
const (
	urgentEvery = 500 * time.Millisecond // at most twice a second, drivers.Health
	calmEvery   = 5 * time.Second
)

// A Tracker collects what a driver learns about its device. It is not safe for concurrent use: it
// belongs to the goroutine of Run that also calls Flush.
type Tracker struct {
	emit    func(drivers.Event)
	now     drivers.Health
	told    drivers.Health // as last emitted
	toldAt  time.Time      // zero before the first
	started bool           // a state is known
}

// New starts a tracker. Nothing is emitted before the first Set.
func New(emit func(drivers.Event)) *Tracker { return &Tracker{emit: emit} }

// Good counts one good frame.
func (t *Tracker) Good(at time.Time) {
	t.now.Frames++
	t.now.LastGood = at
}

// Bad counts one bad frame, checksum error or time-out.
func (t *Tracker) Bad() { t.now.Errors++ }

// Set says how the device is.
func (t *Tracker) Set(state drivers.State, note string) {
	t.started = true
	t.now.State, t.now.Note = state, note
}

// Firmware says what the device calls itself.
func (t *Tracker) Firmware(version string) { t.now.Firmware = version }

// Serial says which one it is: the device's own number.
func (t *Tracker) Serial(number string) { t.now.Serial = number }

// State is what Set said last, or "" before the first.
func (t *Tracker) State() drivers.State { return t.now.State }

// LastGood is when the last good frame came; zero before the first.
func (t *Tracker) LastGood() time.Time { return t.now.LastGood }

// Due is when Flush wants to be called next; ok is false while there is nothing to tell.
func (t *Tracker) Due() (at time.Time, ok bool) {
	switch {
	case !t.started:
		return time.Time{}, false
	case t.toldAt.IsZero():
		return t.toldAt, true
	case t.now.State != t.told.State || t.now.Note != t.told.Note || t.now.Errors != t.told.Errors,
		t.now.Firmware != t.told.Firmware, t.now.Serial != t.told.Serial:
		return t.toldAt.Add(urgentEvery), true
	case t.now.Frames != t.told.Frames:
		return t.toldAt.Add(calmEvery), true
	}
	return time.Time{}, false
}

// Flush emits the health if it is due.
func (t *Tracker) Flush(now time.Time) {
	due, ok := t.Due()
	if !ok || now.Before(due) {
		return
	}
	t.told, t.toldAt = t.now, now
	t.emit(t.now)
}
