package replicamem

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"yipiao/sync/mutant"
	"yipiao/sync/ticket"
)

// A Request asks whether a person may pass.
type Request struct {
	Kind    ticket.RequestKind
	Payload string
	Nonce   ticket.Nonce // of the attempt, kept over retries
	Device  string
	Lane    ticket.Lane
	Gated   bool // a gate will report how the passage ends
}

// An Answer may be told: it is durable.
type Answer struct {
	Verdict  ticket.Verdict
	Seq      uint64 // of the fact; of the first answer for a repeated nonce; 0 for none
	Repeated bool
}

// An End is how a passage ended.
type End uint8

// Ends.
const (
	Passed End = 1 + iota
	Lapsed
	Uncertain
)

// hash identifies what is asked under a nonce.
func hash(parts ...string) (h ticket.Hash) {
	sum := sha256.Sum256(fmt.Append(nil, parts))
	copy(h[:], sum[:])
	return h
}

// Do decides a request and returns when its answer is durable. An error means that nobody may pass; the
// same may be asked again under the same nonce.
func (s *Store) Do(ctx context.Context, q *Request) (Answer, error) {
	for {
		a, wait, err := s.do(q)
		if again := errors.Is(err, errWriting); again {
			if err = s.durable(ctx, wait); err == nil {
				continue
			}
		}
		if err == nil && !mutant.On(mutant.StationAnswerEarly) {
			err = s.durable(ctx, wait)
		}
		return a, err
	}
}

// errWriting says that what was asked for is in memory only: wait for it and ask again.
var errWriting = errors.New("replicamem: still being written")

func (s *Store) do(q *Request) (a Answer, wait uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := hash(string(q.Kind), q.Lane.Name, q.Payload)
	if a, err = s.before(q.Device, q.Nonce, sum); err != nil || a.Verdict.Reason != "" {
		return a, a.Seq, err
	}
	ms, _, trusted := s.cfg.Clock.Now()
	c := ticket.Scene{Kind: q.Kind, Self: s.cfg.Self, Permitted: true, Lane: q.Lane, ClockOK: trusted, Resyncing: s.disk.caughtUp == 0}
	c.Class, c.Cred = ticket.Classify(q.Payload, s.cfg.Tenant, func(id ticket.TicketID) *ticket.Ticket {
		if r := s.rows[id]; r != nil && r.known {
			return &r.tk
		}
		return nil
	}, func(id ticket.KeyID) (ticket.SignKey, bool) {
		k, ok := s.disk.keys[id]
		return k, ok
	})
	s.look(&c)
	a.Verdict = ticket.Check(&c, ms)
	if !a.Verdict.Reason.Final() {
		return a, 0, nil
	}
	if mutant.On(mutant.StationDecideUnlocked) {
		s.mu.Unlock()
		time.Sleep(40 * time.Millisecond)
		s.mu.Lock()
	}
	kind, f := ticket.Exercise(&c, &a.Verdict, q.Gated)
	f.Device = q.Device
	if !q.Nonce.IsZero() {
		f.Nonce, f.Request = &q.Nonce, &sum
	}
	if a.Seq, err = s.commit(kind, &f); err == nil && !q.Nonce.IsZero() && !mutant.On(mutant.StationDropNonce) {
		s.prior[nonceKey{q.Device, q.Nonce}] = a.Seq
	}
	return a, a.Seq, err
}

// look adds what the station knows of the ticket, its session and its gate.
func (s *Store) look(c *ticket.Scene) {
	id, session, group := c.Cred.Ticket, c.Cred.Session, c.Cred.Group
	if r := s.rows[id]; r != nil && id != 0 {
		c.Held = r.held
		if r.known {
			c.Ticket, session, group = &r.tk, r.tk.Session, r.tk.Group
		}
	}
	if se, ok := s.disk.sessions[session]; ok {
		c.Session, c.CaughtUp = &se.s, se.pos <= s.disk.caughtUp
	}
	if g, ok := s.disk.groups[group]; ok {
		c.Group = &g
	}
}

// before is the answer given under a nonce, if there is one; with errWriting its Seq is to be waited for,
// because the journal reads nothing but durable entries.
func (s *Store) before(device string, nonce ticket.Nonce, sum ticket.Hash) (Answer, error) {
	seq := s.prior[nonceKey{device, nonce}]
	if seq == 0 {
		return Answer{}, nil
	}
	if s.log.Durable().Seq < seq {
		return Answer{Seq: seq}, errWriting
	}
	entries, err := s.log.Read(seq, 1, 1)
	if err != nil || len(entries) == 0 {
		return Answer{}, fmt.Errorf("%w: read answer %d: %w", ErrFault, seq, err)
	}
	var f ticket.Fact
	if err := f.Decode(entries[0].Body); err != nil {
		return Answer{}, fmt.Errorf("%w: read answer %d: %w", ErrFault, seq, err)
	}
	c := ticket.Scene{Prior: &ticket.Prior{Same: f.Request != nil && *f.Request == sum}}
	if f.Verdict != nil {
		c.Prior.Verdict = *f.Verdict
	}
	a := Answer{Verdict: ticket.Check(&c, 0)}
	if c.Prior.Same {
		a.Seq, a.Repeated = seq, true
	}
	return a, nil
}

// Annul takes the entry made under a nonce back, for the device that made it.
func (s *Store) Annul(ctx context.Context, device string, nonce, entry ticket.Nonce) (Answer, error) {
	for {
		a, err := s.annul(device, nonce, entry)
		if again := errors.Is(err, errWriting); again || err == nil {
			if err = s.durable(ctx, a.Seq); err == nil && again {
				continue
			}
		}
		return a, err
	}
}

func (s *Store) annul(device string, nonce, entry ticket.Nonce) (a Answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := hash("annul", string(entry[:]))
	if a, err = s.before(device, nonce, sum); err != nil || a.Verdict.Reason != "" {
		return a, err
	}
	seq := s.prior[nonceKey{device, entry}]
	if seq > s.log.Durable().Seq {
		return Answer{Seq: seq}, errWriting
	}
	ms, _, _ := s.cfg.Clock.Now()
	an := ticket.Annulment{}
	var granted ticket.Fact
	if seq != 0 && !s.taken[seq] {
		entries, err := s.log.Read(seq, 1, 1)
		if err != nil || len(entries) == 0 {
			return a, fmt.Errorf("%w: read entry %d: %w", ErrFault, seq, err)
		}
		if err := granted.Decode(entries[0].Body); err != nil {
			return a, fmt.Errorf("%w: read entry %d: %w", ErrFault, seq, err)
		}
		if ticket.FactKind(entries[0].Kind) == ticket.FactEntryGranted {
			an.Granted, an.GrantedMs, an.Held = &granted, entries[0].TimeMs, s.row(granted.Ticket).held
		}
	}
	a.Verdict = ticket.CheckAnnul(&an, ms)
	kind, f := ticket.FactRefused, ticket.Fact{Ticket: granted.Ticket, Session: granted.Session}
	if a.Verdict.Reason == ticket.Annulled {
		kind, f = ticket.FactEntryAnnulled, ticket.Lapse(seq, &granted)
	}
	f.Device, f.Nonce, f.Request, f.Verdict = device, &nonce, &sum, &a.Verdict
	if a.Seq, err = s.commit(kind, &f); err == nil {
		s.prior[nonceKey{device, nonce}] = a.Seq
	}
	return a, err
}

// OpenPassages lists the grants whose passage has not ended, the oldest first.
func (s *Store) OpenPassages() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.open))
}

// EndPassage records how the passage of a grant ended, and returns once that is durable. One that has
// ended is left alone.
func (s *Store) EndPassage(ctx context.Context, grant uint64, how End) error {
	seq, err := s.end(grant, how)
	if err == nil {
		err = s.durable(ctx, seq)
	}
	return err
}

func (s *Store) end(grant uint64, how End) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	granted, ok := s.open[grant]
	if !ok {
		return 0, nil
	}
	if how == Passed && mutant.On(mutant.StationReadmitPassage) {
		how = Lapsed
	}
	kind, f := ticket.FactEntryPassed, ticket.Pass(grant, &granted)
	switch how {
	case Lapsed:
		kind, f = ticket.FactEntryLapsed, ticket.Lapse(grant, &granted)
	case Uncertain:
		kind = ticket.FactEntryUncertain
	case Passed:
	}
	f.Device = granted.Device
	return s.commit(kind, &f)
}
