package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

// An AnnulRequest takes back an entry that the same device has made (sync.md section 4).
type AnnulRequest struct {
	Device    string
	Nonce     ticket.Nonce // of this request, kept over retries
	Entry     ticket.Nonce // of the entry to take back
	Permitted bool         // whether the registry lets the device do this
	Lane      string
}

// Annul decides whether the entry may be taken back, does it, and returns when the answer is durable.
// Errors are those of Do.
func (l *Ledger) Annul(ctx context.Context, req *AnnulRequest) (Answer, error) {
	w := works.Get().(*work)
	defer works.Put(w)
	w.annulment(req)
	key := l.nonces.key(req.Device, req.Nonce)
	if seq, err := l.nonces.begin(ctx, key); err != nil || seq != 0 {
		return l.repeat(ctx, w, &Request{}, seq, err)
	}
	a, err := l.annul(ctx, w, req)
	l.nonces.finish(key, final(&a, err))
	if err == nil {
		err = l.durable(ctx, a.Seq)
	}
	return a, err
}

func (w *work) annulment(req *AnnulRequest) {
	w.nonce = req.Nonce
	w.buf = append(append(w.buf[:0], "annul\x00"...), req.Entry[:]...)
	sum := sha256.Sum256(w.buf)
	copy(w.sum[:], sum[:])
}

func (l *Ledger) annul(ctx context.Context, w *work, req *AnnulRequest) (Answer, error) {
	if !req.Permitted {
		return l.annulled(w, req, 0, nil, ticket.Verdict{Reason: ticket.DeviceNotPermitted}, 0, nil)
	}
	seq, err := uint64(0), error(nil)
	if req.Entry != req.Nonce {
		seq, err = l.nonces.answered(ctx, l.nonces.key(req.Device, req.Entry))
	}
	if err != nil {
		return Answer{}, err
	}
	if seq == 0 {
		return l.annulled(w, req, 0, nil, ticket.Verdict{Reason: ticket.NothingToAnnul}, 0, nil)
	}
	if err := l.durable(ctx, seq); err != nil {
		return Answer{}, err
	}
	e, err := l.entry(seq)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: read entry %d: %w", ErrFault, seq, err)
	}
	var granted ticket.Fact
	if err := granted.Decode(e.Body); err != nil {
		return Answer{}, fmt.Errorf("%w: read entry %d: %w", ErrFault, seq, err)
	}
	slot, r := l.lock(granted.Ticket)
	if r == nil || ticket.FactKind(e.Kind) != ticket.FactEntryGranted || l.nonces.taken(seq) {
		if r != nil {
			l.x.Unlock(slot)
		}
		return l.annulled(w, req, 0, nil, ticket.Verdict{Reason: ticket.NothingToAnnul}, 0, nil)
	}
	defer l.x.Unlock(slot)
	ms, _, _ := l.cfg.Clock.Now()
	v := ticket.CheckAnnul(&ticket.Annulment{Granted: &granted, GrantedMs: e.TimeMs, Held: l.held(r)}, ms)
	return l.annulled(w, req, slot, r, v, seq, &granted)
}

// annulled writes the fact of the verdict. The row, if any, is locked.
func (l *Ledger) annulled(w *work, req *AnnulRequest, slot index.Slot, r *index.Row, v ticket.Verdict, seq uint64, granted *ticket.Fact) (Answer, error) {
	ms, offset, _ := l.cfg.Clock.Now()
	w.verdict = v
	kind, f := ticket.FactRefused, ticket.Fact{Lane: req.Lane}
	if v.Reason == ticket.Annulled {
		kind, f = ticket.FactEntryAnnulled, ticket.Lapse(seq, granted)
	} else if granted != nil {
		f.Ticket, f.Session = granted.Ticket, granted.Session
	}
	f.Device, f.Nonce, f.Request, f.Verdict = req.Device, &w.nonce, &w.sum, &w.verdict
	w.fact = f
	at, err := l.commit(w, slot, r, kind, &w.fact, ms, offset)
	if err != nil {
		return Answer{}, err
	}
	if kind == ticket.FactEntryAnnulled {
		l.nonces.annul(seq)
	}
	return Answer{Verdict: v, Seq: at, TimeMs: ms, Ticket: f.Ticket}, nil
}
