package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// A Request asks whether a person may pass.
type Request struct {
	Kind      ticket.RequestKind
	Payload   string       // as read; at most MaxPayload bytes matter
	Nonce     ticket.Nonce // zero at a lane's own scanner
	Device    string       // registry id of the asking device
	Permitted bool         // whether the registry lets it ask this at this lane
	Lane      ticket.Lane  // Now is filled in here
	// Gated says that a gate will report how the passage ends; Counter is the gate's own counter
	// before it, if it has one, and PermitFor how long it stays open.
	Gated     bool
	Counter   *uint32
	PermitFor time.Duration
	// Counted, if set, is asked about a refusal without a nonce before it is recorded: true means that
	// the caller counts it instead. It is called under the ticket's lock and must not block.
	Counted func(ticket.Reason) bool
}

// An Answer is what the asker may be told. It is durable.
type Answer struct {
	Verdict  ticket.Verdict
	Seq      uint64 // journal position of the fact; for a repeated nonce that of the first answer; 0 for none
	Repeated bool   // an answer given before to the same request
	TimeMs   int64
	Ticket   *ticket.Ticket  // nil where none was recognised; do not change
	Session  *ticket.Session // nil likewise
	Class    ticket.CodeClass

	about ticket.TicketID // of an answer found in the journal: its ticket, to be looked up when told again
}

// Decide is the decision function; the station uses ticket.Check.
type Decide func(*ticket.Scene, int64) ticket.Verdict

// Do decides a request, exercises the right if it is admitted, and returns when everything the answer
// rests on is durable. The decision and its fact are one step under the ticket's lock (R4). An error
// is ErrFault (nothing may open; retrying with the same nonce is safe) or ctx's.
func (l *Ledger) Do(ctx context.Context, req *Request, decide Decide) (Answer, error) {
	if req.Nonce.IsZero() {
		a, wait, err := l.decide(req, nil, decide)
		if err != nil {
			return a, err
		}
		return a, l.durable(ctx, wait)
	}
	sum := requestSum(req)
	n, mine := l.nonces.begin(nonceKey{req.Device, req.Nonce}, sum)
	if !mine {
		return l.repeat(ctx, n, sum)
	}
	a, wait, err := l.decide(req, &sum, decide)
	l.nonces.finish(n, a, err == nil && a.Seq != 0 && a.Verdict.Reason.Final())
	if err != nil {
		return a, err
	}
	return a, l.durable(ctx, wait)
}

// requestSum identifies what is asked under a nonce.
func requestSum(req *Request) ticket.Hash {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%s", req.Kind, req.Lane.Name, req.Payload)
	return ticket.Hash(h.Sum(nil)[:ticket.HashSize])
}

// repeat answers a nonce that was seen before; the first answer may still be on its way to the disk.
func (l *Ledger) repeat(ctx context.Context, n *nonceRec, sum ticket.Hash) (Answer, error) {
	select {
	case <-n.done:
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	a := n.answer
	s := ticket.Scene{Prior: &ticket.Prior{Same: n.sum == sum, Verdict: a.Verdict}}
	switch {
	case !n.final: // the first attempt ended without a final answer: ask again
		return Answer{}, fmt.Errorf("%w: first attempt of this nonce failed", ErrFault)
	case n.sum != sum:
		return Answer{Verdict: ticket.Check(&s, 0)}, nil
	}
	if err := l.durable(ctx, a.Seq); err != nil {
		return Answer{}, err
	}
	a.Verdict, a.Repeated = ticket.Check(&s, 0), true
	if a.about != 0 {
		l.look(&a)
	}
	return a, nil
}

// look adds ticket and session to an answer of before the start.
func (l *Ledger) look(a *Answer) {
	if r := l.get(a.about); r != nil {
		r.mu.Lock()
		a.Ticket = r.t
		r.mu.Unlock()
	}
	if a.Ticket == nil {
		return
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if se := l.sessions[a.Ticket.Session]; se != nil {
		a.Session = &se.s
	}
}

// decide takes the decision and appends its fact; wait is the sequence that must be durable before
// the answer may be told, 0 for none.
func (l *Ledger) decide(req *Request, sum *ticket.Hash, decide Decide) (a Answer, wait uint64, err error) {
	ms, offset, trusted := l.cfg.Clock.Now()
	s := ticket.Scene{
		Kind: req.Kind, Self: l.cfg.Self, Permitted: req.Permitted, Lane: req.Lane, ClockOK: trusted,
	}
	var r *row
	lookup := func(id ticket.TicketID) *ticket.Ticket {
		if r == nil {
			if r = l.get(id); r == nil {
				return nil
			}
			r.mu.Lock()
		}
		s.Held = r.held
		return r.t
	}
	defer func() {
		if r != nil {
			r.mu.Unlock()
		}
	}()
	s.Class, s.Cred = ticket.Classify(req.Payload, l.cfg.Tenant, lookup, l.signKey)
	genuine := s.Class == ticket.ClassExact || s.Class == ticket.ClassSigned
	if genuine && r == nil { // unknown, but signed: it may become a row by this very request
		r = l.obtain(s.Cred.Ticket)
		r.mu.Lock()
	}
	if r != nil {
		s.Ticket, s.Held = r.t, r.held
	}
	l.surroundings(&s, ms)
	v := decide(&s, ms)
	a = Answer{Verdict: v, TimeMs: ms, Ticket: s.Ticket, Session: s.Session, Class: s.Class}
	if !genuine {
		a.Ticket = nil // a forged code must not show whose seat it names
	}
	kind, f := req.fact(&s, v, sum)
	if !v.Reason.Final() {
		return a, 0, nil
	}
	if r != nil {
		wait = r.last
	}
	if kind == ticket.FactRefused && sum == nil && req.Counted != nil && req.Counted(v.Reason) {
		return a, wait, nil
	}
	if a.Seq, err = l.commit(r, kind, &f, ms, offset); err != nil {
		return a, 0, err
	}
	if kind != ticket.FactRefused || sum != nil {
		wait = a.Seq // refusals at a lane's own scanner wait only for what they rest on
	}
	return a, wait, nil
}

// fact is what a verdict on the request becomes in the journal.
func (req *Request) fact(s *ticket.Scene, v ticket.Verdict, sum *ticket.Hash) (ticket.FactKind, ticket.Fact) {
	kind, f := ticket.Exercise(s, v, req.Gated)
	f.Device, f.Request = req.Device, sum
	if sum != nil {
		f.Nonce = &req.Nonce
	}
	if kind == ticket.FactEntryGranted && req.Gated {
		f.Counter, f.PermitS = req.Counter, uint8(req.PermitFor/time.Second)
	}
	return kind, f
}

// commit appends a fact about a row (nil for something that is no ticket of ours), whose lock is
// held, and folds it.
func (l *Ledger) commit(r *row, kind ticket.FactKind, f *ticket.Fact, ms int64, offset int32) (uint64, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return 0, fmt.Errorf("%w: encode fact: %w", ErrFault, err)
	}
	rec := journal.Record{Kind: journal.Kind(kind), TimeMs: ms, OffsetMs: offset, Body: body}
	if r == nil || kind == ticket.FactRefused {
		return l.append(rec)
	}
	write := l.append
	if kind != ticket.FactEntryGranted {
		write = l.appendReserve // it ends what was begun
	}
	l.dirty.add(f.Ticket, r) // before the append: see Checkpoint
	if kind == ticket.FactEntryGranted && f.Gated {
		l.open.begin()
		defer l.open.end()
	}
	seq, err := write(rec)
	if err != nil {
		return 0, err
	}
	if kind == ticket.FactEntryGranted && f.Gated {
		l.open.add(seq, f)
	}
	l.fold(r, kind, f, seq, ms)
	return seq, nil
}

func (l *Ledger) append(rec journal.Record) (uint64, error) {
	seq, err := l.journal.Append(rec)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFault, err)
	}
	l.bytes.Add(uint64(len(rec.Body)))
	return seq, nil
}

// appendReserve may use what the log keeps back for the ends of passages when the disk is full.
func (l *Ledger) appendReserve(rec journal.Record) (uint64, error) {
	log, ok := l.journal.(interface {
		AppendReserve(recs ...journal.Record) (uint64, error)
	})
	if !ok {
		return l.append(rec)
	}
	seq, err := log.AppendReserve(rec)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFault, err)
	}
	return seq, nil
}

// durable waits until the journal is durable up to seq; 0 waits for nothing.
func (l *Ledger) durable(ctx context.Context, seq uint64) error {
	if seq == 0 {
		return nil
	}
	err := l.journal.Wait(ctx, seq)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ErrFault, err)
	}
	return err
}

// surroundings fills in what the scene knows besides the ticket.
func (l *Ledger) surroundings(s *ticket.Scene, ms int64) {
	id, group := s.Cred.Session, s.Cred.Group
	if s.Ticket != nil {
		id, group = s.Ticket.Session, s.Ticket.Group
	}
	caught := l.feedSnapshot().caughtUp
	l.mu.RLock()
	defer l.mu.RUnlock()
	if se := l.sessions[id]; se != nil {
		s.Session, s.CaughtUp = &se.s, se.pos <= caught
	}
	s.Group = l.groups[group]
	s.Unreadable = l.unread[s.Cred.Ticket] > 0
	s.Lane.Now = l.nowLocked(s.Lane.Hall, ms)
}

// nowLocked is the session of a hall that admits at ms. The venue's sessions are few.
func (l *Ledger) nowLocked(hall ticket.HallID, ms int64) ticket.SessionID {
	var found ticket.SessionID
	for id, se := range l.sessions {
		open := se.s.Status == ticket.SessionPlanned && se.s.AdmitFromMs <= ms && ms < se.s.EndMs
		if se.s.Hall == hall && open && (found == 0 || id < found) {
			found = id
		}
	}
	return found
}

func (l *Ledger) signKey(id ticket.KeyID) (ticket.SignKey, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	k, ok := l.keys[id]
	return k, ok
}

// Note journals a fact that is not about a ticket and returns its sequence once it is durable.
func (l *Ledger) Note(ctx context.Context, kind ticket.FactKind, n ticket.Note) (uint64, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return 0, fmt.Errorf("encode note: %w", err)
	}
	ms, offset, _ := l.cfg.Clock.Now()
	seq, err := l.append(journal.Record{Kind: journal.Kind(kind), TimeMs: ms, OffsetMs: offset, Body: body})
	if err != nil {
		return 0, err
	}
	return seq, l.durable(ctx, seq)
}
