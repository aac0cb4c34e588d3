package devices

import (
	"slices"
	"sync"

	"yipiao/drivers"
)

// maxScans is how many scans may wait for a subscriber. Other events are never dropped: people and
// alarms bound them.
const maxScans = 64

// A queue lies between a driver, which must not be held up, and subscribers, which may take their time.
type queue struct {
	mu     sync.Mutex // guards the fields below
	items  []item
	scans  int
	seq    uint64 // of the newest item
	subs   []*subscriber
	closed bool
	more   chan struct{} // has one element when items or closed have changed
}

// A subscriber hears items after the one that was the newest when it came.
type subscriber struct {
	fn    func(any)
	after uint64
}

// An item is an event for all subscribers, or for one.
type item struct {
	event any
	seq   uint64
	only  *subscriber
}

func (it item) reaches(s *subscriber) bool {
	if it.only != nil {
		return it.only == s
	}
	return it.seq > s.after
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1)} }

// put adds an event. It reports false for a scan that was dropped.
func (q *queue) put(e any) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := e.(drivers.Scan); ok {
		if q.scans >= maxScans {
			return false
		}
		q.scans++
	}
	q.seq++
	q.items = append(q.items, item{event: e, seq: q.seq})
	q.signal()
	return true
}

// subscribe adds a subscriber and tells it alone what stands already.
func (q *queue) subscribe(fn func(any), standing ...any) (cancel func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &subscriber{fn: fn, after: q.seq}
	q.subs = append(q.subs, s)
	for _, e := range standing {
		q.items = append(q.items, item{event: e, only: s})
	}
	q.signal()
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.subs = slices.DeleteFunc(q.subs, func(o *subscriber) bool { return o == s })
	}
}

// close lets deliver end once it has delivered everything.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// deliver hands out events until close.
func (q *queue) deliver() {
	for {
		it, subs, ok, closed := q.take()
		switch {
		case ok:
			for _, s := range subs {
				if it.reaches(s) {
					s.fn(it.event)
				}
			}
		case closed:
			return
		default:
			<-q.more
		}
	}
}

func (q *queue) take() (it item, subs []*subscriber, ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return item{}, nil, false, q.closed
	}
	it = q.items[0]
	q.items[0] = item{}
	q.items = q.items[1:]
	if _, scan := it.event.(drivers.Scan); scan {
		q.scans--
	}
	return it, slices.Clone(q.subs), true, q.closed
}
