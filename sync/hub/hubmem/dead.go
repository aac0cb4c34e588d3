package hubmem

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// A deadKey is where a fact stands in the journal of its station.
type deadKey struct {
	epoch uint32
	seq   uint64
}

// A dead fact is settled when by is set.
type dead struct {
	why  hub.DeadReason
	atMs int64
	by   string
}

// DeadLetters returns the facts that could not be folded and are not settled, by sequence.
func (s *Store) DeadLetters(f link.Peer) map[uint64]hub.DeadReason {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[uint64]hub.DeadReason)
	for at, d := range s.mustFeed(f).dead {
		if d.by == "" {
			out[at.seq] = d.why
		}
	}
	return out
}

// ListDead implements hub.DeadStore.
func (s *Store) ListDead(_ context.Context, after hub.Place, only bool, most int) ([]hub.DeadLetter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []hub.DeadLetter
	for f, fd := range s.feeds {
		if f.Tenant != after.Station.Tenant || only && f != after.Station {
			continue
		}
		for i := range fd.facts {
			e := &fd.facts[i]
			d, ok := fd.dead[deadKey{e.Epoch, e.Seq}]
			if ok && d.by == "" && behind(f, deadKey{e.Epoch, e.Seq}, after) {
				out = append(out, hub.DeadLetter{Station: f, Entry: *e, Reason: d.why, AtMs: d.atMs})
			}
		}
	}
	slices.SortFunc(out, func(a, b hub.DeadLetter) int {
		return cmp.Or(cmp.Compare(a.Station.Station, b.Station.Station), cmp.Compare(a.Entry.Epoch, b.Entry.Epoch),
			cmp.Compare(a.Entry.Seq, b.Entry.Seq))
	})
	return out[:min(most, len(out))], nil
}

func behind(f link.Peer, at deadKey, after hub.Place) bool {
	return cmp.Or(cmp.Compare(f.Station, after.Station.Station), cmp.Compare(at.epoch, after.Epoch), cmp.Compare(at.seq, after.Seq)) > 0
}

// RetryDead implements hub.DeadStore.
func (s *Store) RetryDead(ctx context.Context, at hub.Place, by string, nowMs int64) (hub.DeadReason, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(at.Station)
	if err != nil {
		return "", err
	}
	key := deadKey{at.Epoch, at.Seq}
	d, ok := fd.dead[key]
	if !ok || d.by != "" {
		return "", fmt.Errorf("%w: %s, epoch %d, %d", hub.ErrNoDeadLetter, at.Station.Station, at.Epoch, at.Seq)
	}
	for i := range fd.facts {
		e := &fd.facts[i]
		if e.Epoch != at.Epoch || e.Seq != at.Seq {
			continue
		}
		tx := foldTx{s, at.Station, fd, at.Epoch != fd.journal.Epoch, nowMs}
		if d.why, err = hub.RetryEntry(ctx, tx, at.Station, e); err != nil {
			return "", err
		}
	}
	d.atMs = nowMs
	if d.why == "" {
		d.by = by
	}
	fd.dead[key] = d
	return d.why, nil
}

// Later implements hub.RetryTx.
func (t foldTx) Later(_ context.Context, at hub.Place, id ticket.TicketID) (bool, error) {
	for i := range t.fd.facts {
		e := &t.fd.facts[i]
		key := deadKey{e.Epoch, e.Seq}
		if !behind(t.station, key, at) || !about(e, id) || ticket.FactKind(e.Kind) == ticket.FactRefused {
			continue
		}
		if d, dead := t.fd.dead[key]; e.Seq <= t.fd.held(e.Epoch).Folded && (!dead || d.by != "") {
			return true, nil
		}
	}
	return false, nil
}
