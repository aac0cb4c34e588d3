package ledger_test

import (
	"context"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// lMutant is a station with one planted mistake.
type lMutant struct {
	lHonest
	*lMemory
	decide ledger.Decide                                              // nil for the station's
	nonces bool                                                       // a repeated nonce is decided anew
	annul  func(*lMutant, *ledger.AnnulRequest, *ledger.Answer) error // what becomes of an annulment's answer
}

// lMemory is what a mutant remembers over restarts.
type lMemory struct {
	mu       sync.Mutex
	requests map[ticket.Nonce]*ledger.Request // by nonce: they differ by ticket too
	annulled map[ticket.Nonce]bool
	fresh    int
}

// ghost is a nonce that no client uses.
func (m *lMemory) ghost() ticket.Nonce {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fresh++
	return ticket.Nonce{0xff, byte(m.fresh), byte(m.fresh >> 8)}
}

func (m *lMutant) Do(ctx context.Context, req *ledger.Request) (ledger.Answer, error) {
	decide := m.decide
	if decide == nil {
		decide = ticket.Check
	}
	m.mu.Lock()
	_, seen := m.requests[req.Nonce]
	m.requests[req.Nonce] = req
	m.mu.Unlock()
	if seen && m.nonces && !req.Nonce.IsZero() {
		again := *req
		again.Nonce = m.ghost()
		req = &again
	}
	return m.Ledger.Do(ctx, req, decide)
}

func (m *lMutant) Annul(ctx context.Context, req *ledger.AnnulRequest) (ledger.Answer, error) {
	a, err := m.Ledger.Annul(ctx, req)
	if err == nil && m.annul != nil {
		err = m.annul(m, req, &a)
	}
	return a, err
}

// twice gives an entry back as often as it is asked to.
func twice(m *lMutant, req *ledger.AnnulRequest, a *ledger.Answer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case a.Verdict.Reason == ticket.Annulled:
		m.annulled[req.Entry] = true
	case a.Verdict.Reason == ticket.NothingToAnnul && m.annulled[req.Entry]:
		a.Verdict.Reason = ticket.Annulled
	}
	return nil
}

// keeping says that an entry is given back and leaves it used.
func keeping(m *lMutant, req *ledger.AnnulRequest, a *ledger.Answer) error {
	m.mu.Lock()
	again, ok := m.requests[req.Entry]
	m.mu.Unlock()
	if a.Verdict.Reason != ticket.Annulled || a.Repeated || !ok {
		return nil
	}
	used := *again
	used.Nonce = m.ghost()
	_, err := m.Ledger.Do(context.Background(), &used, ticket.Check)
	return err
}

// unbarred decides as if nothing were ever recalled.
func unbarred(s *ticket.Scene, ms int64) ticket.Verdict {
	s.Held.Holds, s.Held.Recalling = true, false
	return ticket.Check(s, ms)
}

// hasty is a journal that does not wait for the disk: a crash loses what was acknowledged. There are
// no checkpoints then: a ledger whose catalogue is ahead of its journal does not even open.
type hasty struct{ journal.Log }

func (hasty) Wait(context.Context, uint64) error { return nil }

// lMutantHistories is how many histories a mistake may survive; most are caught by the first or second.
const lMutantHistories = 40

// TestLinearizable_Bites: each planted mistake makes a history for which there is no order, under the
// same clients.
func TestLinearizable_Bites(t *testing.T) {
	for name, plant := range map[string]func(*lRig){
		"a repeated nonce is decided anew":   mutant(lMutant{nonces: true}),
		"an entry is given back twice":       mutant(lMutant{annul: twice}),
		"an annulled entry stays used":       mutant(lMutant{annul: keeping}),
		"admitted after the recall's answer": mutant(lMutant{decide: unbarred}),
		"acknowledged before it is durable":  func(r *lRig) { r.log = func(l journal.Log) journal.Log { return hasty{l} } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= lMutantHistories; seed++ {
				r := newLinearRig(t, seed, reentryOf(seed))
				r.lenient = true
				plant(r)
				if r.check(r.live(seed)) == porcupine.Illegal {
					return
				}
			}
			t.Fatalf("not caught in %d histories", lMutantHistories)
		})
	}
}

func mutant(m lMutant) func(*lRig) {
	return func(r *lRig) {
		memory := &lMemory{requests: make(map[ticket.Nonce]*ledger.Request), annulled: make(map[ticket.Nonce]bool)}
		r.wrap = func(h lHonest) lDesk {
			one := m
			one.lHonest, one.lMemory = h, memory
			return &one
		}
	}
}
