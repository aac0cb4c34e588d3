// Package ledger is the station's memory: the index of tickets, the per-ticket lock, the nonces, the
// journal that makes every decision durable, and the bbolt catalogue with its lazy checkpoint.
//
// Memory decides, the journal makes it durable, bbolt is the catalogue. The package knows rights,
// facts and feed entries (through sync/ticket and sync/wire) and the order in which they become
// durable. It must not know devices, HTTP, lanes' hardware or how pages and batches travel.
package ledger

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"yipiao/edge/internal/ledger/index"
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
	Dir     string           // the data directory; holds catalogue.db and index.snap
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

	x       *index.Index // one row for each ticket; a row's fields are guarded by its lock
	figures figures
	venue   atomic.Pointer[venue] // replaced, never changed; written under applyMu

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
	purge   atomic.Bool           // rows may have become superfluous
	damaged atomic.Pointer[error] // what was found wrong with the catalogue since the start
	mended  atomic.Bool
	reading bool // only looks: nothing is mended
	snap    snapshots
	watch   observer
}

// Open opens or creates the catalogue, replays the journal over it and takes ownership of both; Close
// closes the journal too. The report says what was found and rebuilt.
func Open(cfg Config, log journal.Log) (*Ledger, Report, error) {
	l := &Ledger{cfg: cfg, journal: log}
	l.nonces.init()
	l.open.init()
	l.dirty.init()
	rep, err := l.start()
	if err != nil {
		return nil, rep, err
	}
	l.watch.start(l)
	return l, rep, nil
}

func (l *Ledger) path(name string) string { return filepath.Join(l.cfg.Dir, name) }

// Close writes a last checkpoint and snapshot, so that the next start is quick, and closes catalogue
// and journal.
func (l *Ledger) Close() error {
	err := l.Checkpoint()
	if err == nil {
		err = l.Snapshot()
	}
	errLog := l.journal.Close()
	l.watch.stop()
	return errors.Join(err, errLog, l.cat.close())
}
