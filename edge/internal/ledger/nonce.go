package ledger

import (
	"context"
	"maps"
	"sync"

	"yipiao/sync/ticket"
)

// nonceKeepMs is how long a nonce is remembered at least (R12: 24 h), milliseconds.
const nonceKeepMs = 25 * 3600 * 1000

// A nonceKey names one attempt of one device. It holds no pointer, so that a day of them costs the
// collector nothing.
type nonceKey struct {
	device uint32
	nonce  ticket.Nonce
}

// nonceTable maps attempts to the journal sequence of their answer. Two generations take turns, so
// that forgetting costs nothing: a nonce is kept for at least nonceKeepMs and less than twice that.
type nonceTable struct {
	mu      sync.Mutex
	devices map[string]uint32
	young   map[nonceKey]uint64
	old     map[nonceKey]uint64
	sinceMs int64  // when young began
	from    uint64 // every answer in the table has at least this sequence
	next    uint64 // as from, once old is forgotten
	// busy are attempts that are being decided; the channel is made by the first who waits.
	busy map[nonceKey]chan struct{}
	// annulled are the entries that were taken back, by sequence: time and use alone cannot tell an
	// entry from one that another device made since.
	annulled map[uint64]struct{}
}

func (t *nonceTable) init() {
	t.devices = make(map[string]uint32)
	t.young, t.old = make(map[nonceKey]uint64), make(map[nonceKey]uint64)
	t.busy = make(map[nonceKey]chan struct{})
	t.annulled = make(map[uint64]struct{})
	t.from, t.next = 1, 1
}

func (t *nonceTable) key(device string, n ticket.Nonce) nonceKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keyLocked(device, n)
}

func (t *nonceTable) keyLocked(device string, n ticket.Nonce) nonceKey {
	d, ok := t.devices[device]
	if !ok {
		d = uint32(len(t.devices)) + 1
		t.devices[device] = d
	}
	return nonceKey{d, n}
}

// begin returns the sequence of an earlier answer, or 0 when the caller must produce it and then call
// finish. It waits while somebody else does.
func (t *nonceTable) begin(ctx context.Context, key nonceKey) (uint64, error) {
	for {
		seq, wait := t.tryBegin(key)
		if wait == nil {
			return seq, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (t *nonceTable) tryBegin(key nonceKey) (seq uint64, wait chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seq = t.find(key); seq != 0 {
		return seq, nil
	}
	wait, busy := t.busy[key]
	if busy && wait == nil {
		wait = make(chan struct{})
	}
	t.busy[key] = wait
	return 0, wait
}

func (t *nonceTable) find(key nonceKey) uint64 {
	if seq := t.young[key]; seq != 0 {
		return seq
	}
	return t.old[key]
}

// finish publishes the sequence of the answer; 0 forgets the attempt, so that a retry asks anew.
func (t *nonceTable) finish(key nonceKey, seq uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seq != 0 {
		t.young[key] = seq
	}
	if wait := t.busy[key]; wait != nil {
		close(wait)
	}
	delete(t.busy, key)
}

// answered returns the sequence of the answer under a nonce, 0 for none. It waits for one that is being
// decided.
func (t *nonceTable) answered(ctx context.Context, key nonceKey) (uint64, error) {
	for {
		t.mu.Lock()
		seq := t.find(key)
		wait, busy := t.busy[key]
		if seq == 0 && busy && wait == nil {
			wait = make(chan struct{})
			t.busy[key] = wait
		}
		t.mu.Unlock()
		if seq != 0 || !busy {
			return seq, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// annul remembers that an entry was taken back; taken asks.
func (t *nonceTable) annul(seq uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.annulled[seq] = struct{}{}
}

func (t *nonceTable) taken(seq uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.annulled[seq]
	return ok
}

// restore puts back an answer found in the journal. The first one counts.
func (t *nonceTable) restore(device string, n ticket.Nonce, seq uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.keyLocked(device, n)
	switch {
	case t.find(key) != 0:
	case seq < t.next:
		t.old[key] = seq
	default:
		t.young[key] = seq
	}
}

// A nonceAge says how far back nonces reach, so that a start goes on where the last run was.
type nonceAge struct {
	from, next uint64
	sinceMs    int64
}

// age begins a new generation when it is time. end is the last sequence given out.
func (t *nonceTable) age(nowMs int64, end uint64) nonceAge {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.sinceMs == 0, nowMs < t.sinceMs: // the first start, or a clock set back: count anew
		t.sinceMs = nowMs
	case nowMs-t.sinceMs >= nonceKeepMs:
		t.from, t.next = t.next, end+1
		t.old, t.young, t.sinceMs = t.young, make(map[nonceKey]uint64), nowMs
		maps.DeleteFunc(t.annulled, func(seq uint64, _ struct{}) bool { return seq < t.from })
	}
	return nonceAge{t.from, t.next, t.sinceMs}
}

// resume takes over how far the last run was; the answers themselves come from the journal.
func (t *nonceTable) resume(a nonceAge) {
	t.from, t.next, t.sinceMs = max(a.from, 1), max(a.next, a.from, 1), a.sinceMs
}

func (t *nonceTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.young) + len(t.old)
}

// oldest is the first sequence that may hold an answer for a nonce that is still remembered.
func (t *nonceTable) oldest() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from
}
