package wedge

import "encoding/binary"

// EventSize is the size of struct input_event on 64-bit Linux: two words of time, type, code, value.
const EventSize = 24

// Offsets in a struct input_event. 64-bit Linux on the machines in question is little-endian.
const (
	typeAt  = 16
	codeAt  = 18
	valueAt = 20
)

// Types and codes of linux/input-event-codes.h.
const (
	evSyn      = 0x00
	evKey      = 0x01
	evMax      = 0x1F
	keyMax     = 0x2FF
	synDropped = 3
)

// Values of a key event.
const (
	released = 0
	pressed  = 1
	repeated = 2
)

// An Event is one input event, its time left out.
type Event struct {
	Type, Code uint16
	Value      int32
}

// plausible reports whether the kernel can have made the event.
func (e Event) plausible() bool {
	switch {
	case e.Type > evMax:
		return false
	case e.Type == evKey:
		return e.Code <= keyMax && e.Value >= released && e.Value <= repeated
	}
	return true
}

// dropped reports whether the kernel says that events were lost before this one.
func (e Event) dropped() bool { return e.Type == evSyn && e.Code == synDropped }

// Events cuts a byte stream into events. The kernel hands over whole ones; a port that carries them elsewhere may not.
type Events struct{ rest []byte }

// Push takes bytes and returns the events they complete, and how many bytes belonged to what cannot be one.
func (e *Events) Push(p []byte) (all []Event, spoilt int) {
	e.rest = append(e.rest, p...)
	for len(e.rest) >= EventSize {
		ev := Event{
			Type:  binary.LittleEndian.Uint16(e.rest[typeAt:]),
			Code:  binary.LittleEndian.Uint16(e.rest[codeAt:]),
			Value: int32(binary.LittleEndian.Uint32(e.rest[valueAt:])),
		}
		e.rest = e.rest[EventSize:]
		if ev.plausible() {
			all = append(all, ev)
		} else {
			spoilt += EventSize
		}
	}
	return all, spoilt
}

// Pending reports whether a part of an event is there.
func (e *Events) Pending() bool { return len(e.rest) > 0 }

// Idle throws the part away, so that the next byte begins an event.
func (e *Events) Idle() (spoilt int) {
	spoilt = len(e.rest)
	e.rest = nil
	return spoilt
}
