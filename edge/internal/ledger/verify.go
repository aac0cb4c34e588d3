package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/journal"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
)

// A Finding is something that is wrong in a station's data, and where.
type Finding struct {
	Where string // journal, catalogue, snapshot or index
	What  string
}

// A Verification is what Verify has looked at and found.
type Verification struct {
	First, Last uint64 // facts of the journal, all with their chain
	Covered     uint64 // last fact that the catalogue's checkpoint covers
	Tickets     int    // of the catalogue, every value opened
	States      int    // of the catalogue, every checksum checked
	Snapshot    bool   // whether there is one; it was compared row by row
	Findings    []Finding
}

// maxFindings bounds a report: a smashed file need not be listed byte by byte.
const maxFindings = 200

func (v *Verification) found(where, format string, args ...any) {
	if len(v.Findings) < maxFindings {
		v.Findings = append(v.Findings, Finding{where, fmt.Sprintf(format, args...)})
	}
}

// Verify checks the whole state of a stopped station and changes nothing but, as every start does, the
// journal's torn end: the chain of all facts, the catalogue's pages and every value in it, and that the
// index of the snapshot, that of the catalogue, and the journal's facts say the same of every ticket.
// An error says that it could not look; what is wrong is in the findings.
func Verify(ctx context.Context, cfg Config, log journal.Log) (v Verification, err error) {
	l := newReader(cfg, log)
	v.First, v.Last = l.FirstFact(), log.End()
	if seg, ok := log.(*seglog.Log); ok {
		if _, err := seg.Verify(ctx); err != nil {
			v.found("journal", "%v", err)
		}
	}
	path := l.path(catalogueFile)
	if l.cat, err = readCatalogue(path, cfg.DataKey); err != nil {
		if !errors.Is(err, ErrDamaged) {
			return v, err
		}
		v.found("catalogue", "%v", err)
		return v, nil
	}
	defer func() { err = errors.Join(err, l.cat.close()) }()
	if err := l.cat.view(func(tx *bbolt.Tx) error { return v.pages(ctx, tx) }); err != nil {
		v.found("catalogue", "%v", err)
	}
	if err := l.verifyRows(&v); err != nil {
		v.found("catalogue", "%v", err)
	}
	return v, nil
}

// newReader is a ledger that only looks.
func newReader(cfg Config, log journal.Log) *Ledger {
	l := &Ledger{cfg: cfg, journal: log, reading: true}
	l.nonces.init()
	l.open.init()
	l.dirty.init()
	return l
}

func readCatalogue(path string, key []byte) (c *catalogue, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	if c, err = newCatalogue(key); err != nil {
		return nil, err
	}
	defer damage(&err)
	c.db, err = openFile(path, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	return c, err
}

// pages has bbolt check its own structure.
func (v *Verification) pages(ctx context.Context, tx *bbolt.Tx) error {
	for err := range tx.Check() { // to its end, or its goroutine stays
		v.found("catalogue", "%v", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, name := range [][]byte{bucketMeta, bucketSession, bucketGroup, bucketKey, bucketTicket, bucketState, bucketAside, bucketLocal} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name)
		}
	}
	v.States = tx.Bucket(bucketState).Inspect().KeyN
	return tx.Bucket(bucketState).ForEach(func(k, b []byte) error {
		if _, _, err := decodeState(k, b); err != nil {
			v.found("catalogue", "%v %x", err, k)
		}
		return nil
	})
}

// verifyRows builds the index from the catalogue and from the snapshot, each with the journal's tail,
// and compares them; and folds all kept facts to see that they end where the index is.
func (l *Ledger) verifyRows(v *Verification) error {
	var rep Report
	covered, err := l.loadMeta(&rep)
	if err != nil {
		return err
	}
	v.Covered = covered
	if covered > v.Last {
		v.found("catalogue", "covers fact %d, the journal ends at %d", covered, v.Last)
		return nil
	}
	if v.First > covered+1 {
		v.found("journal", "begins at fact %d, the catalogue covers %d: facts between them are gone", v.First, covered)
		return nil
	}
	l.x = index.New()
	if err := l.cat.view(l.loadStates); err != nil {
		return err
	}
	if err := l.fillRows(&rep, covered+1, func() error { return l.loadTickets(&rep) }); err != nil {
		return err
	}
	v.Tickets = l.known()
	if err := l.verifySnapshot(v); err != nil {
		return err
	}
	for _, d := range rep.Damage {
		v.found("catalogue", "%s", d)
	}
	return l.verifyFacts(v)
}

func (l *Ledger) fillRows(rep *Report, from uint64, finish func() error) (err error) {
	if rep.Replayed, err = l.replay(from, from); err != nil {
		return err
	}
	if err := finish(); err != nil {
		return err
	}
	l.recount()
	return nil
}

func (l *Ledger) known() (n int) {
	for _, c := range l.figures.by {
		n += int(c.tickets.Load())
	}
	return n
}

func (l *Ledger) verifySnapshot(v *Verification) error {
	head, x, err := readSnapshot(l.path(snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		v.found("snapshot", "%v", err)
		return nil
	}
	v.Snapshot = true
	m := newReader(l.cfg, l.journal)
	m.cat, m.x = l.cat, x
	m.venue.Store(l.venue.Load())
	m.feed.snap.Store(l.feed.snap.Load())
	keys, err := m.since(&head)
	if err != nil || head.Covered+1 < v.First {
		v.found("snapshot", "cannot be used (%v); covers fact %d, the journal begins at %d", err, head.Covered, v.First)
		return nil
	}
	var rep Report
	if err := m.fillRows(&rep, head.Covered+1, func() error { return m.loadFresh(&rep, keys) }); err != nil {
		return err
	}
	for s := range l.x.All() {
		l.compare(v, "snapshot", m, l.x.Row(s))
	}
	if a, b := l.known(), m.known(); a != b {
		v.found("snapshot", "knows %d tickets, the catalogue %d", b, a)
	}
	return nil
}

// compare says where another index differs in a row of this one.
func (l *Ledger) compare(v *Verification, where string, m *Ledger, r *index.Row) {
	var mine, theirs ticket.Ticket
	known := l.view(r, &mine)
	slot, q := m.lock(r.ID)
	if q == nil {
		v.found(where, "ticket %d is missing", r.ID)
		return
	}
	defer m.x.Unlock(slot)
	if also := m.view(q, &theirs); also != known {
		v.found(where, "ticket %d: known %v, in the catalogue %v", r.ID, also, known)
		return
	}
	a, b := l.held(r), m.held(q)
	a.Recalling, b.Recalling = false, false // how far an unfinished page had come
	if a != b {
		v.found(where, "ticket %d: generation %d, held %v, used %d, inside %v; by the catalogue %d, %v, %d, %v",
			r.ID, b.Gen, b.Holds, b.Used, b.Inside, a.Gen, a.Holds, a.Used, a.Inside)
	}
	if mine != theirs {
		v.found(where, "ticket %d: version %d, by the catalogue %d, or another credential", r.ID, theirs.Ver, mine.Ver)
	}
}

// verifyFacts folds every kept fact from nothing. Where all facts of a ticket are kept, that must end
// where the index is: a state that was changed on the disk shows here.
func (l *Ledger) verifyFacts(v *Verification) error {
	m := newReader(l.cfg, l.journal)
	m.x = index.New()
	m.venue.Store(newVenue())
	if _, err := m.replay(v.First, v.First); err != nil {
		v.found("journal", "%v", err)
		return nil
	}
	for s := range m.x.All() {
		q := m.x.Row(s)
		b := m.held(q)
		slot, r := l.lock(q.ID)
		if r == nil {
			v.found("index", "ticket %d has facts in the journal and is not known", q.ID)
			continue
		}
		a := l.held(r)
		l.x.Unlock(slot)
		if a.Gen == b.Gen && b.LastMs != 0 && (a.Used != b.Used || a.LastMs != b.LastMs || a.Inside != b.Inside) {
			v.found("index", "ticket %d: used %d, inside %v; by the journal's facts %d, %v", q.ID, a.Used, a.Inside, b.Used, b.Inside)
		}
	}
	return nil
}
