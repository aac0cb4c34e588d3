package ledger

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger/index"
)

// ErrLost is returned by Open when how tickets were used cannot be rebuilt: the catalogue is damaged,
// no snapshot is whole, and the journal's beginning has been trimmed. The station must be restored
// from a backup or enrolled anew, which gives its custody back to the cloud to decide.
var ErrLost = errors.New("ledger: use of tickets is lost")

const catalogueFile = "catalogue.db"

// canary is sealed in meta, so that a wrong key is told from damaged values.
const canary = "yipiao catalogue"

var keyCanary = []byte("canary")

func (l *Ledger) openCatalogue() (rep Report, err error) {
	l.cat, err = openCatalogue(l.path(catalogueFile), l.cfg.DataKey)
	if errors.Is(err, ErrDamaged) {
		err = l.salvage(&rep, err)
	}
	return rep, err
}

// start opens the catalogue and recovers; a catalogue that turns out damaged on the way is salvaged.
func (l *Ledger) start() (Report, error) {
	rep, err := l.openCatalogue()
	if err != nil {
		return rep, err
	}
	err = l.recover(&rep)
	if errors.Is(err, ErrDamaged) {
		if errClose := l.cat.close(); errClose != nil {
			return rep, errors.Join(err, errClose)
		}
		l.forgetAll()
		if err = l.salvage(&rep, err); err != nil {
			return rep, err
		}
		err = l.recover(&rep)
	}
	if err != nil {
		return rep, errors.Join(fmt.Errorf("recover: %w", err), l.cat.close())
	}
	return rep, nil
}

// forgetAll throws away what an interrupted recovery has loaded.
func (l *Ledger) forgetAll() {
	l.nonces = nonceTable{}
	l.nonces.init()
	l.open.init()
	l.dirty.init()
	l.figures.by = nil
	l.snap.number, l.snap.noted = 0, 0
}

// salvage puts a damaged catalogue aside and makes a new one of what is left: how tickets were used
// from the snapshot, or from the journal if that is whole; the station's own registry from the
// snapshot. Tickets and sessions come again with the feed, read from 0; until then every ticket is
// refused as not yet synced.
func (l *Ledger) salvage(rep *Report, why error) error {
	path := l.path(catalogueFile)
	head, x, errSnap := readSnapshot(l.path(snapshotFile))
	usable := errSnap == nil && head.Epoch == l.journal.Durable().Epoch &&
		head.Covered <= l.journal.End() && head.Covered+1 >= l.FirstFact()
	if !usable && l.FirstFact() > 1 {
		return fmt.Errorf("%w: %w; snapshot: %w", ErrLost, why, errors.Join(errSnap, errors.New("not usable")))
	}
	bad := path + ".bad"
	if err := os.Rename(path, bad); err != nil {
		return fmt.Errorf("put the damaged catalogue aside: %w", err)
	}
	cat, err := openCatalogue(path, l.cfg.DataKey)
	if err != nil {
		return err
	}
	l.cat = cat
	err = cat.update(func(tx *bbolt.Tx) error {
		if !usable {
			return putFeed(tx, feedSnapshot{})
		}
		return errors.Join(putFeed(tx, feedSnapshot{}), l.refill(tx, &head, x))
	})
	if err == nil { // it belongs to the file that was put aside
		if err = os.Remove(l.path(snapshotFile)); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return errors.Join(err, cat.close())
	}
	rep.Damage = append(rep.Damage, fmt.Sprintf("%v: kept as %s; the feed is read again from 0, tickets are refused as not yet synced until then", why, bad))
	if !usable {
		rep.Damage = append(rep.Damage, "devices and accounts of this station are lost: enter them again")
	}
	return nil
}

// refill writes what a snapshot holds of use and of the station's own registry.
func (l *Ledger) refill(tx *bbolt.Tx, head *snapshotHead, x *index.Index) error {
	l.x = x
	states := tx.Bucket(bucketState)
	for s := range x.All() {
		r := x.Row(s)
		h := l.held(r)
		if h.Gen == 0 && h.Used == 0 {
			continue
		}
		key := ticketKey(l.session(r), r.ID)
		if err := states.Put(key, encodeState(key, h, 0)); err != nil {
			return err
		}
	}
	for k, v := range head.Local {
		if err := tx.Bucket(bucketLocal).Put([]byte(k), v); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	return errors.Join(meta.Put([]byte("covered"), u64(head.Covered)), meta.Put(keySnapshots, u64(head.Number)))
}

// Reread has the feed read from 0 without giving anything up: what the station knows stays in use, what
// it misses comes back. It is for a catalogue that has lost entries. The epoch is forgotten, so that a
// page that is on its way from the old cursor is refused; the next one begins the feed by Reset.
func (l *Ledger) Reread() error {
	if l.reading {
		return nil
	}
	l.applyMu.Lock()
	defer l.applyMu.Unlock()
	s := l.feedSnapshot()
	s.epoch, s.cursor, s.caughtUp = "", 0, 0
	err := l.cat.update(func(tx *bbolt.Tx) error { return putFeed(tx, s) })
	if err == nil {
		l.feed.snap.Store(&s)
	}
	return err
}

// mend has the feed read again once after damage that was found while running.
func (l *Ledger) mend() error {
	if l.damaged.Load() == nil || !l.mended.CompareAndSwap(false, true) {
		return nil
	}
	return l.Reread()
}
