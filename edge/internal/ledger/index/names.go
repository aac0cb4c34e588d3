package index

import (
	"math"
	"sync"

	"yipiao/sync/ticket"
)

// maxName is the longest lane name that gets a number, bytes.
const maxName = 1 << 10

// numbers gives values numbers from 1 to 65,535. The zero value is empty and ready.
type numbers[T comparable] struct {
	mu     sync.RWMutex
	number map[T]uint16
	value  []T      // by number; the zero value for a number not given
	free   []uint16 // numbers to give again
	held   []uint16 // dropped numbers that wait for pins to end
	pins   int
}

// of is the number of a value, given to it if it has none; 0 for the zero value and if all are given.
func (n *numbers[T]) of(v T) uint16 {
	var zero T
	if v == zero {
		return 0
	}
	n.mu.RLock()
	got := n.number[v]
	n.mu.RUnlock()
	if got != 0 {
		return got
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.give(v)
}

func (n *numbers[T]) give(v T) uint16 {
	got := n.number[v]
	switch last := len(n.free) - 1; {
	case got != 0:
		return got
	case last >= 0:
		got, n.free = n.free[last], n.free[:last]
	case len(n.value) > math.MaxUint16:
		return 0
	default:
		if n.number == nil {
			n.number, n.value = make(map[T]uint16), make([]T, 1)
		}
		got, n.value = uint16(len(n.value)), append(n.value, v)
	}
	n.number[v], n.value[got] = got, v
	return got
}

// at is the value of a number, the zero value for one not given.
func (n *numbers[T]) at(number uint16) (v T) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if int(number) < len(n.value) {
		v = n.value[number]
	}
	return v
}

func (n *numbers[T]) drop(number uint16) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var zero T
	if int(number) >= len(n.value) || n.value[number] == zero {
		return
	}
	delete(n.number, n.value[number])
	n.value[number] = zero
	if n.pins > 0 {
		n.held = append(n.held, number)
	} else {
		n.free = append(n.free, number)
	}
}

// pin keeps dropped numbers from being given again until the returned function is called.
func (n *numbers[T]) pin() (unpin func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pins++
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.pins--; n.pins == 0 {
			n.free, n.held = append(n.free, n.held...), nil
		}
	}
}

// each calls f for every number given, in order.
func (n *numbers[T]) each(f func(uint16, T)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var zero T
	for number, v := range n.value {
		if v != zero {
			f(uint16(number), v)
		}
	}
}

// restore gives a value the number that it had, in the order of each, and reports whether it can.
func (n *numbers[T]) restore(number uint16, v T) bool {
	var zero T
	if n.number == nil {
		n.number, n.value = make(map[T]uint16), make([]T, 1)
	}
	if int(number) < len(n.value) || v == zero || n.number[v] != 0 {
		return false
	}
	for len(n.value) < int(number) {
		n.free, n.value = append(n.free, uint16(len(n.value))), append(n.value, zero)
	}
	n.number[v], n.value = number, append(n.value, v)
	return true
}

// Names gives lane names numbers for Row.Lane. A number once given stays: lanes are few. Names is safe
// for concurrent use.
type Names struct{ n numbers[string] }

// Number is the number of a name, given to it if it has none. It is 0, lane unknown, for "", for a
// name of more than 1,024 bytes and when 65,535 names have one: a gate does not fail for a name.
func (n *Names) Number(name string) uint16 {
	if len(name) > maxName {
		return 0
	}
	return n.n.of(name)
}

// Name is the name of a number, "" for 0 and a number not given.
func (n *Names) Name(number uint16) string { return n.n.at(number) }

// Sessions gives sessions numbers for Row.Session. It is safe for concurrent use.
type Sessions struct{ n numbers[ticket.SessionID] }

// Number is the number of a session, given to it if it has none. It is 0 for id 0, and when 65,535
// sessions have one: the caller must not take that for a ticket without a session.
func (n *Sessions) Number(id ticket.SessionID) uint16 { return n.n.of(id) }

// ID is the session of a number, 0 for 0 and a number not given.
func (n *Sessions) ID(number uint16) ticket.SessionID { return n.n.at(number) }

// Drop takes the number back to give it to another session. No row may bear it any more. While a
// snapshot is being written it is not given again yet.
func (n *Sessions) Drop(number uint16) { n.n.drop(number) }
