// Package replicamem is a station's memory as simple as the contract allows: a replica.Store that also
// exercises rights, by the rules of sync/ticket. It is the reference model of the conformance suite
// (replicatest) and the station of the simulation.
//
// What survives a power cut is its Disk and the journal it was given; everything else is rebuilt from
// them. One lock stands for every ticket's lock and is never held while waiting. The package must not
// know files, bbolt, devices or the cloud's end.
package replicamem

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"yipiao/sync/journal"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// ErrFault is returned when the station cannot record: nothing was decided, and nobody may pass on it.
var ErrFault = errors.New("replicamem: station cannot record")

// A Clock is the station's: Unix milliseconds, the offset applied, and whether it can be trusted.
type Clock interface {
	Now() (ms int64, offsetMs int32, trusted bool)
}

// Config of a Store.
type Config struct {
	Self   ticket.StationID
	Tenant ticket.TenantID
	Clock  Clock
	// Spoil, if set, is asked before the catalogue is written; its error fails the write.
	Spoil func() error
}

type seen struct {
	s   ticket.Session
	pos uint64
}

// A Disk is what the catalogue keeps over a power cut. The zero value is an empty one. It belongs to one
// Store at a time.
type Disk struct {
	epoch            string
	cursor, caughtUp uint64
	sessions         map[ticket.SessionID]seen
	groups           map[ticket.GateGroupID]ticket.GateGroup
	keys             map[ticket.KeyID]ticket.SignKey
	tickets          map[ticket.TicketID]ticket.Ticket
	states           map[ticket.TicketID]ticket.Held // the lazy checkpoint
	covered          uint64                          // journal sequence that states cover
	acked            uint64
}

type row struct {
	held  ticket.Held
	tk    ticket.Ticket
	known bool // tk is the feed's
}

type nonceKey struct {
	device string
	nonce  ticket.Nonce
}

// Store is safe for concurrent use.
type Store struct {
	cfg Config
	log journal.Log

	mu sync.Mutex // guards the fields below, and disk
	// dead says that a power cut or Close has ended this Store: it must not touch its disk again.
	dead  bool
	disk  *Disk
	rows  map[ticket.TicketID]*row
	prior map[nonceKey]uint64    // sequence of the answer
	open  map[uint64]ticket.Fact // passages whose end is not known, by grant
	taken map[uint64]bool        // entries that were annulled, by sequence
	acked uint64
}

var _ replica.Store = (*Store)(nil)

// Open starts a station on what its disk and its journal hold: the catalogue's states, the journal folded
// over them, then the feed's entries by generation.
func Open(cfg Config, disk *Disk, log journal.Log) (*Store, error) {
	s := &Store{
		cfg: cfg, log: log, disk: disk, rows: make(map[ticket.TicketID]*row), prior: make(map[nonceKey]uint64),
		open: make(map[uint64]ticket.Fact), taken: make(map[uint64]bool), acked: disk.acked,
	}
	if disk.tickets == nil {
		disk.sessions, disk.groups = make(map[ticket.SessionID]seen), make(map[ticket.GateGroupID]ticket.GateGroup)
		disk.keys, disk.tickets = make(map[ticket.KeyID]ticket.SignKey), make(map[ticket.TicketID]ticket.Ticket)
		disk.states = make(map[ticket.TicketID]ticket.Held)
	}
	if end := log.End(); disk.covered > end {
		return nil, fmt.Errorf("the catalogue covers fact %d, the journal ends at %d", disk.covered, end)
	}
	for id, h := range disk.states {
		s.row(id).held = h
	}
	for from := uint64(1); from <= log.End(); {
		entries, err := log.Read(from, 1000, 1<<20)
		if err == nil && len(entries) == 0 {
			err = errors.New("no entry there")
		}
		if err != nil {
			return nil, fmt.Errorf("replay from fact %d: %w", from, err)
		}
		for i := range entries {
			if err := s.replay(&entries[i]); err != nil {
				return nil, fmt.Errorf("replay fact %d: %w", entries[i].Seq, err)
			}
		}
		from = entries[len(entries)-1].Seq + 1
	}
	for _, t := range disk.tickets {
		s.absorb(&t)
	}
	return s, nil
}

// replay takes the nonce of a fact, and folds it where the checkpoint does not hold it.
func (s *Store) replay(e *journal.Entry) error {
	kind := ticket.FactKind(e.Kind)
	if !kind.OfTicket() {
		return nil
	}
	var f ticket.Fact
	if err := f.Decode(e.Body); err != nil {
		return err
	}
	if f.Nonce != nil {
		if k := (nonceKey{f.Device, *f.Nonce}); s.prior[k] == 0 {
			s.prior[k] = e.Seq
		}
	}
	s.note(kind, e.Seq, &f)
	if kind != ticket.FactRefused && e.Seq > s.disk.covered {
		r := s.row(f.Ticket)
		r.held = r.held.Fold(kind, &f, e.TimeMs)
	}
	return nil
}

// note keeps what is known of passages and annulments.
func (s *Store) note(kind ticket.FactKind, seq uint64, f *ticket.Fact) {
	switch kind {
	case ticket.FactEntryGranted:
		if f.Gated {
			s.open[seq] = *f
		}
	case ticket.FactEntryPassed, ticket.FactEntryLapsed, ticket.FactEntryUncertain:
		delete(s.open, f.Of)
	case ticket.FactEntryAnnulled:
		s.taken[f.Of] = true
	default:
	}
}

func (s *Store) row(id ticket.TicketID) *row {
	r, ok := s.rows[id]
	if !ok {
		r = new(row)
		s.rows[id] = r
	}
	return r
}

// commit appends a fact and folds it, in one step under the lock.
func (s *Store) commit(kind ticket.FactKind, f *ticket.Fact) (uint64, error) {
	ms, offset, _ := s.cfg.Clock.Now()
	rec := journal.Record{Kind: journal.Kind(kind), TimeMs: ms, OffsetMs: offset, Body: f.Append(nil)}
	write := s.log.Append
	if keeps, ok := s.log.(interface {
		AppendReserve(recs ...journal.Record) (uint64, error)
	}); ok && kind != ticket.FactEntryGranted && kind != ticket.FactRefused {
		write = keeps.AppendReserve // it ends what was begun
	}
	seq, err := write(rec)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFault, err)
	}
	if kind != ticket.FactRefused {
		r := s.row(f.Ticket)
		r.held = r.held.Fold(kind, f, ms)
		s.note(kind, seq, f)
	}
	return seq, nil
}

// durable waits until the journal is durable up to seq; 0 waits for nothing.
func (s *Store) durable(ctx context.Context, seq uint64) error {
	if seq == 0 {
		return nil
	}
	return s.log.Wait(ctx, seq)
}

// write changes the disk, unless the station has died or the disk fails.
func (s *Store) write(change func(*Disk)) error {
	if s.dead {
		return journal.ErrClosed
	}
	if s.cfg.Spoil != nil {
		if err := s.cfg.Spoil(); err != nil {
			return err
		}
	}
	change(s.disk)
	return nil
}

// Checkpoint brings the disk's states up to the journal's end.
func (s *Store) Checkpoint(ctx context.Context) error {
	s.mu.Lock()
	covered := s.log.End()
	for seq := range s.open { // an open passage is rebuilt from its grant
		covered = min(covered, seq-1)
	}
	states := make(map[ticket.TicketID]ticket.Held, len(s.rows))
	for id, r := range s.rows {
		states[id] = r.held
	}
	end, acked := s.log.End(), s.acked
	s.mu.Unlock()
	if err := s.durable(ctx, end); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(func(d *Disk) {
		if covered >= d.covered {
			d.states, d.covered, d.acked = states, covered, acked
		}
	})
}

// PowerCut ends the Store: what it has not yet written is gone.
func (s *Store) PowerCut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

// Standing returns what is held of a ticket's right and the version of its entry; known is false where
// the feed has none.
func (s *Store) Standing(id ticket.TicketID) (st ticket.Standing, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[id]
	if !ok {
		return ticket.Standing{Ticket: id}, false
	}
	h := r.held
	st = ticket.Standing{Ticket: id, Ver: r.tk.Ver, Gen: h.Gen, Hand: r.tk.Entry.Hand, Used: h.Used, Inside: h.Inside}
	if h.Holds {
		st.Holder = s.cfg.Self
	}
	return st, r.known
}

// Cursor implements replica.Store.
func (s *Store) Cursor() (string, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disk.epoch, s.disk.cursor
}

// Journal implements replica.Store.
func (s *Store) Journal(from uint64, n, maxBytes int) ([]journal.Entry, error) {
	return s.log.Read(from, n, maxBytes)
}

// Durable implements replica.Store.
func (s *Store) Durable() journal.Pos { return s.log.Durable() }

// WaitDurable implements replica.Store.
func (s *Store) WaitDurable(ctx context.Context, seq uint64) error { return s.log.Wait(ctx, seq) }

// Acked implements replica.Store.
func (s *Store) Acked() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// SetAcked implements replica.Store.
func (s *Store) SetAcked(a wire.Ack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = max(s.acked, a.Durable)
}
