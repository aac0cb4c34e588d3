package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/journal"
	"yipiao/sync/mutant"
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
	Face      bool         // whether the answer is to say what people read: seat, masked holder
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
	Ticket   ticket.TicketID // 0 where none was recognised: a forged code must not show whose seat it names
	Seat     string          // with Request.Face, of a ticket that the feed has
	Holder   string          // likewise; masked
	Session  *ticket.Session // nil where none was recognised; do not change
	Class    ticket.CodeClass
}

// Decide is the decision function; the station uses ticket.Check.
type Decide func(*ticket.Scene, int64) ticket.Verdict

// Do decides a request, exercises the right if it is admitted, and returns when everything the answer
// rests on is durable. The decision and its fact are one step under the ticket's lock (R4). An error
// is ErrFault (nothing may open; retrying with the same nonce is safe) or ctx's.
func (l *Ledger) Do(ctx context.Context, req *Request, decide Decide) (Answer, error) {
	w := works.Get().(*work)
	defer works.Put(w)
	if req.Nonce.IsZero() {
		a, wait, err := l.decide(w, req, decide)
		if err == nil {
			l.face(req, &a)
			err = l.tell(ctx, wait)
		}
		return a, err
	}
	w.request(req)
	key := l.nonces.key(req.Device, req.Nonce)
	if seq, err := l.nonces.begin(ctx, key); err != nil || seq != 0 {
		return l.repeat(ctx, w, req, seq, err)
	}
	a, wait, err := l.decide(w, req, decide)
	l.nonces.finish(key, final(&a, err))
	if err == nil {
		l.face(req, &a)
		err = l.tell(ctx, wait)
	}
	return a, err
}

// tell waits until an answer may be told.
func (l *Ledger) tell(ctx context.Context, seq uint64) error {
	if mutant.On(mutant.StationAnswerEarly) {
		return nil
	}
	return l.durable(ctx, seq)
}

// final is the sequence under which an answer is kept for its nonce, 0 for one that is not.
func final(a *Answer, err error) uint64 {
	if err != nil || !a.Verdict.Reason.Final() || mutant.On(mutant.StationDropNonce) {
		return 0
	}
	return a.Seq
}

// repeat tells the answer that stands at seq, if the same was asked.
func (l *Ledger) repeat(ctx context.Context, w *work, req *Request, seq uint64, err error) (Answer, error) {
	if err == nil {
		err = l.durable(ctx, seq)
	}
	if err != nil {
		return Answer{}, err
	}
	e, err := l.entry(seq)
	if err == nil {
		err = w.fact.Decode(e.Body)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("%w: read answer %d: %w", ErrFault, seq, err)
	}
	f := &w.fact
	s := ticket.Scene{Prior: &ticket.Prior{Same: f.Request != nil && *f.Request == w.sum}}
	if f.Verdict != nil {
		s.Prior.Verdict = *f.Verdict
	}
	a := Answer{Verdict: ticket.Check(&s, 0)}
	if !s.Prior.Same {
		return a, nil
	}
	a.Seq, a.TimeMs, a.Repeated = seq, e.TimeMs, true
	switch out := a.Verdict.Outcome(); {
	case out == ticket.OutcomeAdmit, out == ticket.OutcomeExit, a.Verdict.Reason == ticket.MaxEntries:
		a.Ticket = f.Ticket // only after a genuine code
		if se := l.venue.Load().sessions[f.Session]; se != nil {
			a.Session = &se.S
		}
		l.face(req, &a)
	}
	return a, nil
}

// entry reads one durable entry.
func (l *Ledger) entry(seq uint64) (journal.Entry, error) {
	entries, err := l.journal.Read(seq, 1, 1)
	if err == nil && (len(entries) == 0 || entries[0].Seq != seq) {
		err = fmt.Errorf("entry %d is not there", seq)
	}
	if err != nil {
		return journal.Entry{}, err
	}
	return entries[0], nil
}

// face adds what people read, while the disk is busy with the fact.
func (l *Ledger) face(req *Request, a *Answer) {
	if !req.Face || a.Ticket == 0 {
		return
	}
	if t, known := l.body(a.Ticket); known {
		a.Seat, a.Holder = t.Seat, t.Holder
	}
}

// decide takes the decision and appends its fact; wait is the sequence that must be durable before
// the answer may be told, 0 for none.
func (l *Ledger) decide(w *work, req *Request, decide Decide) (a Answer, wait uint64, err error) {
	ms, offset, trusted := l.cfg.Clock.Now()
	v := l.venue.Load()
	s := &w.scene
	*s = ticket.Scene{Kind: req.Kind, Self: l.cfg.Self, Permitted: req.Permitted, Lane: req.Lane, ClockOK: trusted}
	var slot index.Slot
	var r *index.Row
	lookup := func(id ticket.TicketID) *ticket.Ticket {
		if r == nil {
			slot, r = l.lock(id)
		}
		if r == nil || !l.view(r, &w.ticket) {
			return nil
		}
		return &w.ticket
	}
	defer func() {
		if r != nil {
			l.x.Unlock(slot)
		}
	}()
	s.Class, s.Cred = ticket.Classify(req.Payload, l.cfg.Tenant, lookup, v.signKey)
	genuine := s.Class == ticket.ClassExact || s.Class == ticket.ClassSigned
	if genuine && r == nil { // unknown, but signed: it may become a row by this very request
		slot, r = l.obtain(s.Cred.Ticket)
	}
	if r != nil {
		s.Held = l.held(r)
		if l.view(r, &w.ticket) {
			s.Ticket = &w.ticket
			l.when(s)
		}
	}
	l.surroundings(v, s, ms)
	w.verdict = decide(s, ms)
	a = Answer{Verdict: w.verdict, TimeMs: ms, Session: s.Session, Class: s.Class}
	if genuine && s.Ticket != nil {
		a.Ticket = s.Ticket.ID
	}
	if !w.verdict.Reason.Final() {
		return a, 0, nil
	}
	if mutant.On(mutant.StationDecideUnlocked) {
		l.apart(slot, r)
	}
	kind := w.exercise(req)
	if r != nil {
		wait = l.dirty.last(slot)
	}
	if kind == ticket.FactRefused && req.Nonce.IsZero() && req.Counted != nil && req.Counted(w.verdict.Reason) {
		return a, wait, nil
	}
	if a.Seq, err = l.commit(w, slot, r, kind, &w.fact, ms, offset); err != nil {
		return a, 0, err
	}
	if kind != ticket.FactRefused || !req.Nonce.IsZero() {
		wait = a.Seq // refusals at a lane's own scanner wait only for what they rest on
	}
	return a, wait, nil
}

// apart lets go of a row between deciding and appending: a planted mistake.
func (l *Ledger) apart(slot index.Slot, r *index.Row) {
	if r != nil {
		l.x.Unlock(slot)
		time.Sleep(40 * time.Millisecond)
		l.x.Lock(slot)
	}
}

// when adds the time of a refund, which stands in the catalogue only.
func (l *Ledger) when(s *ticket.Scene) {
	if s.Ticket.Status != ticket.StatusRefunded {
		return
	}
	full := *s.Ticket
	l.stored(&full)
	s.Ticket.StatusMs = full.StatusMs
}

// commit appends a fact about a locked row (nil for something that is no ticket of ours) and folds it.
func (l *Ledger) commit(w *work, slot index.Slot, r *index.Row, kind ticket.FactKind, f *ticket.Fact, ms int64, offset int32) (uint64, error) {
	w.buf = f.Append(w.buf[:0])
	w.recs[0] = journal.Record{Kind: journal.Kind(kind), TimeMs: ms, OffsetMs: offset, Body: w.buf}
	if r == nil || kind == ticket.FactRefused {
		return l.append(w.recs[:])
	}
	write := l.append
	if kind != ticket.FactEntryGranted {
		write = l.appendReserve // it ends what was begun
	}
	l.dirty.mark(slot) // before the append: see Checkpoint
	gated := kind == ticket.FactEntryGranted && f.Gated
	if gated {
		l.open.begin()
		defer l.open.end()
	}
	seq, err := write(w.recs[:])
	if err != nil {
		return 0, err
	}
	l.dirty.moved(slot, seq)
	if gated {
		l.open.add(seq, f)
	}
	l.fold(r, kind, f, ms)
	return seq, nil
}

func (l *Ledger) append(recs []journal.Record) (uint64, error) {
	seq, err := l.journal.Append(recs...)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFault, err)
	}
	l.bytes.Add(uint64(len(recs[0].Body)))
	return seq, nil
}

// appendReserve may use what the log keeps back for the ends of passages when the disk is full.
func (l *Ledger) appendReserve(recs []journal.Record) (uint64, error) {
	log, ok := l.journal.(interface {
		AppendReserve(recs ...journal.Record) (uint64, error)
	})
	if !ok {
		return l.append(recs)
	}
	seq, err := log.AppendReserve(recs...)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFault, err)
	}
	l.bytes.Add(uint64(len(recs[0].Body)))
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
func (l *Ledger) surroundings(v *venue, s *ticket.Scene, ms int64) {
	id, group := s.Cred.Session, s.Cred.Group
	if s.Ticket != nil {
		id, group = s.Ticket.Session, s.Ticket.Group
	}
	caught := l.feedSnapshot().caughtUp
	if se := v.sessions[id]; se != nil {
		s.Session, s.CaughtUp = &se.S, se.Pos <= caught
		if ms < se.S.AdmitFromMs { // only then does anybody ask which session admits now
			s.Lane.Now = v.now(s.Lane.Hall, ms)
		}
	}
	s.Group = v.groups[group]
	s.Unreadable = v.unread[s.Cred.Ticket] > 0
	s.Resyncing = caught == 0
}

// Note journals a fact that is not about a ticket and returns its sequence once it is durable.
func (l *Ledger) Note(ctx context.Context, kind ticket.FactKind, n ticket.Note) (uint64, error) {
	ms, offset, _ := l.cfg.Clock.Now()
	seq, err := l.append([]journal.Record{{Kind: journal.Kind(kind), TimeMs: ms, OffsetMs: offset, Body: n.Append(nil)}})
	if err != nil {
		return 0, err
	}
	return seq, l.durable(ctx, seq)
}
