// Package ledger is the station's memory: the index of tickets, the per-ticket lock, the nonces, the
// journal that makes every decision durable, and the bbolt catalogue with its lazy checkpoint.
//
// Memory decides, the journal makes it durable, bbolt is the catalogue. The package knows rights,
// facts and feed entries (through sync/ticket and sync/wire) and the order in which they become
// durable. It must not know devices, HTTP, lanes' hardware or how pages and batches travel.
package ledger

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// A Clock is the station's clock. Implementations are safe for concurrent use.
type Clock interface {
	// Now returns Unix milliseconds with the measured offset to the cloud applied, that offset, and
	// whether time-window rules may be answered (sync.md section 8, Clock).
	Now() (ms int64, offsetMs int32, trusted bool)
}

// Config is what a ledger needs.
type Config struct {
	Dir     string           // the data directory; the catalogue is Dir/catalogue.db
	Self    ticket.StationID // this station
	Tenant  ticket.TenantID
	DataKey []byte // 32 bytes, AES-256-GCM, seals catalogue values at rest
	Clock   Clock
	Log     *slog.Logger
	// Observe, if set, is called once for every fact after it is durable, in journal order. It must
	// not block for long and must not call the ledger.
	Observe func(Observed)
}

// An Observed is a durable fact as seen by Config.Observe.
type Observed struct {
	Seq    uint64
	TimeMs int64
	Kind   ticket.FactKind
	Fact   *ticket.Fact // nil unless Kind.OfTicket
	Note   *ticket.Note // nil if Kind.OfTicket
}

// ErrFault is returned when the station cannot record: nothing was decided, and nobody may pass on it.
var ErrFault = errors.New("ledger: station cannot record")

// A Ledger is safe for concurrent use.
type Ledger struct {
	cfg     Config
	journal journal.Log
	cat     *catalogue

	mu       sync.RWMutex // guards the maps below, not the rows in them
	rows     map[ticket.TicketID]*row
	sessions map[ticket.SessionID]*session
	groups   map[ticket.GateGroupID]*ticket.GateGroup
	keys     map[ticket.KeyID]ticket.SignKey
	counted  map[ticket.SessionID]*counts
	unread   map[ticket.TicketID]int      // how many entries kept aside name the ticket
	aside    map[string][]ticket.TicketID // entries kept aside, by kind and key

	nonces nonceTable
	open   passages
	dirty  dirtySet

	// applyMu serialises feed pages and guards feed.
	applyMu sync.Mutex
	feed    feedState
	acked   atomic.Uint64 // journal sequence that the cloud holds
	folded  atomic.Uint64
	bytes   atomic.Uint64 // of bodies appended since the start

	checkMu sync.Mutex // one checkpoint at a time
	covered atomic.Uint64
	watch   observer
}

// A row is one ticket: what the cloud said of it and how it was used. mu is the ticket's lock:
// deciding, folding and appending are one step under it.
type row struct {
	mu   sync.Mutex
	t    *ticket.Ticket // nil for a ticket admitted on its signature alone; replaced, never changed
	held ticket.Held
	last uint64 // journal sequence of the newest fact
}

type session struct {
	s   ticket.Session
	pos uint64 // feed position of its entry
}

// counts are a session's running figures.
type counts struct {
	tickets atomic.Int64
	entered atomic.Int64 // tickets used at least once
	inside  atomic.Int64
}

// Open opens or creates the catalogue, replays the journal over it and takes ownership of both; Close
// closes the journal too. The report says what was found and rebuilt.
func Open(cfg Config, log journal.Log) (*Ledger, Report, error) {
	l := &Ledger{
		cfg: cfg, journal: log,
		rows:     make(map[ticket.TicketID]*row),
		sessions: make(map[ticket.SessionID]*session),
		groups:   make(map[ticket.GateGroupID]*ticket.GateGroup),
		keys:     make(map[ticket.KeyID]ticket.SignKey),
		counted:  make(map[ticket.SessionID]*counts),
		unread:   make(map[ticket.TicketID]int),
		aside:    make(map[string][]ticket.TicketID),
	}
	l.nonces.init()
	l.open.init()
	l.dirty.init()
	var err error
	if l.cat, err = openCatalogue(filepath.Join(cfg.Dir, "catalogue.db"), cfg.DataKey); err != nil {
		return nil, Report{}, err
	}
	rep, err := l.recover()
	if err != nil {
		return nil, rep, errors.Join(fmt.Errorf("recover: %w", err), l.cat.close())
	}
	l.watch.start(l)
	return l, rep, nil
}

// Close writes a last checkpoint, so that the next start is quick, and closes catalogue and journal.
func (l *Ledger) Close() error {
	errCheck := l.Checkpoint()
	errLog := l.journal.Close()
	l.watch.stop()
	return errors.Join(errCheck, errLog, l.cat.close())
}

// get returns the row of a ticket, or nil.
func (l *Ledger) get(id ticket.TicketID) *row {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.rows[id]
}

// obtain returns the row of a ticket, making one where there is none.
func (l *Ledger) obtain(id ticket.TicketID) *row {
	if r := l.get(id); r != nil {
		return r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rows[id]
	if r == nil {
		r = &row{}
		l.rows[id] = r
	}
	return r
}

// countsOf returns the figures of a session; tickets may arrive before their session does.
func (l *Ledger) countsOf(id ticket.SessionID) *counts {
	l.mu.RLock()
	c := l.counted[id]
	l.mu.RUnlock()
	if c != nil {
		return c
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c = l.counted[id]; c == nil {
		c = &counts{}
		l.counted[id] = c
	}
	return c
}

// fold folds a fact into a row whose lock is held and keeps the session's counters right.
func (l *Ledger) fold(r *row, kind ticket.FactKind, f *ticket.Fact, seq uint64, ms int64) {
	before := r.held
	r.held = r.held.Fold(kind, f, ms)
	r.last = max(r.last, seq)
	l.count(f.Session, before, r.held)
}

func (l *Ledger) count(id ticket.SessionID, before, after ticket.Held) {
	s := l.countsOf(id)
	if d := use(after) - use(before); d != 0 {
		s.entered.Add(d)
	}
	if d := bit(after.Inside) - bit(before.Inside); d != 0 {
		s.inside.Add(d)
	}
}

func use(h ticket.Held) int64 { return bit(h.Used > 0) }

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
