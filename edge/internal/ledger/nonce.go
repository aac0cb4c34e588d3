package ledger

import (
	"sync"

	"yipiao/sync/ticket"
)

// nonceKeepMs is how long a nonce is remembered (R12: at least 24 h), milliseconds.
const nonceKeepMs = 25 * 3600 * 1000

type nonceKey struct {
	device string
	nonce  ticket.Nonce
}

// A nonceRec is the first answer under a nonce. Fields other than done are written before done is
// closed and never after.
type nonceRec struct {
	key    nonceKey
	sum    ticket.Hash
	done   chan struct{}
	answer Answer
	final  bool
}

type nonceTable struct {
	mu   sync.Mutex
	recs map[nonceKey]*nonceRec
	ages []*nonceRec // in order of answer time, for forgetting
}

func (t *nonceTable) init() { t.recs = make(map[nonceKey]*nonceRec) }

// begin returns the record of a nonce, and whether the caller must produce its answer.
func (t *nonceTable) begin(key nonceKey, sum ticket.Hash) (*nonceRec, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.recs[key]; n != nil {
		return n, false
	}
	n := &nonceRec{key: key, sum: sum, done: make(chan struct{})}
	t.recs[key] = n
	return n, true
}

// finish publishes the answer. One that is not final is forgotten, so that a retry asks anew.
func (t *nonceTable) finish(n *nonceRec, a Answer, final bool) {
	t.mu.Lock()
	n.answer, n.final = a, final
	if final {
		t.ages = append(t.ages, n)
	} else {
		delete(t.recs, n.key)
	}
	t.mu.Unlock()
	close(n.done)
}

// restore puts back an answer found in the journal.
func (t *nonceTable) restore(key nonceKey, sum ticket.Hash, a Answer) {
	n, mine := t.begin(key, sum)
	if mine {
		t.finish(n, a, true)
	}
}

// forget drops answers older than nonceKeepMs.
func (t *nonceTable) forget(nowMs int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := 0
	for i < len(t.ages) && t.ages[i].answer.TimeMs < nowMs-nonceKeepMs {
		delete(t.recs, t.ages[i].key)
		i++
	}
	t.ages = append([]*nonceRec(nil), t.ages[i:]...)
}
