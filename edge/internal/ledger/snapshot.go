package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger/index"
)

const (
	snapshotFile  = "index.snap"
	snapshotMagic = "YPSNAP1\n"
	// snapshotNotes is how many changed tickets are worth noting; beyond, a start rebuilds the index.
	snapshotNotes = 200_000
	// snapshotDue is after how many changed tickets the next snapshot is due.
	snapshotDue = 50_000
	// snapshotEveryMs is how long a snapshot is good enough while little changes, milliseconds.
	snapshotEveryMs = 6 * 3600 * 1000
	maxSnapshotHead = 64 << 20
)

// bucketFresh begins the names of the buckets that note which tickets the feed has changed since a
// snapshot began; the snapshot's number follows.
var (
	bucketFresh = []byte("fresh-")
	keyOverflow = []byte("overflow")
	// keySnapshots is the number of the newest snapshot begun: none is ever given twice.
	keySnapshots = []byte("snapshots")
)

// snapshots is the state of taking them. number and noted are guarded by Ledger.applyMu.
type snapshots struct {
	mu      sync.Mutex // one at a time
	number  uint64     // of the newest snapshot begun, 0 for none ever
	noted   int
	atMs    atomic.Int64 // when the one in use was taken, 0 for none
	covered atomic.Uint64
}

// snapshotHead says what a snapshot covers.
type snapshotHead struct {
	Number  uint64            `json:"number"`
	Epoch   uint32            `json:"epoch"`   // of the journal
	Covered uint64            `json:"covered"` // journal sequence
	TimeMs  int64             `json:"time_ms"`
	Local   map[string][]byte `json:"local"` // the station's own registry, sealed as in the catalogue
}

func freshName(n uint64) []byte { return append(bytes.Clone(bucketFresh), u64(n)...) }

// bucket is where changed tickets are noted, nil while no snapshot is in use.
func (s *snapshots) bucket(tx *bbolt.Tx) *bbolt.Bucket {
	if s.number == 0 {
		return nil
	}
	return tx.Bucket(freshName(s.number))
}

// note remembers that the feed has changed the ticket at key.
func (s *snapshots) note(b *bbolt.Bucket, key []byte) error {
	if b == nil || s.noted > snapshotNotes {
		return nil
	}
	if s.noted++; s.noted > snapshotNotes {
		key = keyOverflow
	}
	return b.Put(key, nil)
}

// SnapshotDue reports whether a start would profit from a new snapshot.
func (l *Ledger) SnapshotDue() bool {
	now, _, _ := l.cfg.Clock.Now()
	l.applyMu.Lock()
	defer l.applyMu.Unlock()
	s := &l.snap
	if s.atMs.Load() == 0 {
		return l.x.Len() > 0 && l.feedSnapshot().caughtUp != 0
	}
	old := now-s.atMs.Load() > snapshotEveryMs || now < s.atMs.Load()
	return s.noted > snapshotDue || old && (s.noted > 0 || l.journal.End() > s.covered.Load())
}

// Snapshot writes the index to Dir/index.snap, so that the next start need not read the catalogue. Feed
// pages wait while memory is copied to the page cache; decisions do not. A snapshot that fails leaves
// the one before it.
func (l *Ledger) Snapshot() error {
	l.snap.mu.Lock()
	defer l.snap.mu.Unlock()
	path := l.path(snapshotFile)
	head, end, err := l.writeSnapshot(path + ".new")
	if err == nil {
		err = l.durable(context.Background(), end) // the copy may hold facts that were not
	}
	if err == nil {
		err = moveInto(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new")
		return fmt.Errorf("snapshot: %w", err)
	}
	l.snap.covered.Store(head.Covered)
	l.snap.atMs.Store(head.TimeMs)
	return l.cat.update(func(tx *bbolt.Tx) error { return dropFresh(tx, head.Number) })
}

func (l *Ledger) writeSnapshot(path string) (head snapshotHead, end uint64, err error) {
	l.applyMu.Lock()
	defer l.applyMu.Unlock()
	head = snapshotHead{Number: l.snap.number + 1, Epoch: l.journal.Durable().Epoch, Covered: l.coverable()}
	head.TimeMs, _, _ = l.cfg.Clock.Now()
	err = l.cat.update(func(tx *bbolt.Tx) error {
		head.Local = make(map[string][]byte)
		_, err := tx.CreateBucketIfNotExists(freshName(head.Number))
		return errors.Join(err, tx.Bucket(bucketMeta).Put(keySnapshots, u64(head.Number)), tx.Bucket(bucketLocal).ForEach(func(k, v []byte) error {
			head.Local[string(k)] = bytes.Clone(v)
			return nil
		}))
	})
	if err != nil {
		return head, 0, err
	}
	l.snap.number, l.snap.noted = head.Number, 0
	err = writeFile(path, func(w io.Writer) error {
		if err := writeHead(w, &head); err != nil {
			return err
		}
		_, err := l.x.WriteTo(w)
		return err
	})
	return head, l.journal.End(), err
}

// writeHead writes magic, length, CRC-32C and JSON.
func writeHead(w io.Writer, head *snapshotHead) error {
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint32([]byte(snapshotMagic), uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(text, castagnoli))
	_, err = w.Write(append(b, text...))
	return err
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	return errors.Join(err, w.Flush(), f.Sync(), f.Close())
}

// moveInto makes a synced file appear under its name, durably.
func moveInto(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// disown makes sure that a snapshot which a start has not used is never used by a later one: what the
// feed changes from now on is not noted for it.
func (l *Ledger) disown() error {
	if l.reading {
		return nil
	}
	return l.cat.update(func(tx *bbolt.Tx) error { return dropFresh(tx, math.MaxUint64) })
}

// dropFresh removes the notes for snapshots before number.
func dropFresh(tx *bbolt.Tx, number uint64) error {
	for _, n := range freshNumbers(tx) {
		if n < number {
			if err := tx.DeleteBucket(freshName(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func freshNumbers(tx *bbolt.Tx) []uint64 {
	var out []uint64
	c := tx.Cursor()
	for k, _ := c.Seek(bucketFresh); bytes.HasPrefix(k, bucketFresh); k, _ = c.Next() {
		if len(k) == len(bucketFresh)+8 {
			out = append(out, binary.BigEndian.Uint64(k[len(bucketFresh):]))
		}
	}
	return out
}

// readSnapshot returns a snapshot, or an error for one that is missing (fs.ErrNotExist) or damaged.
func readSnapshot(path string) (head snapshotHead, x *index.Index, err error) {
	f, err := os.Open(path)
	if err != nil {
		return head, nil, err
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 1<<20)
	var fixed [len(snapshotMagic) + 8]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return head, nil, fmt.Errorf("snapshot: %w", err)
	}
	n := binary.LittleEndian.Uint32(fixed[len(snapshotMagic):])
	if string(fixed[:len(snapshotMagic)]) != snapshotMagic || n > maxSnapshotHead {
		return head, nil, errors.New("snapshot: not of this format")
	}
	var text bytes.Buffer
	if _, err := io.CopyN(&text, r, int64(n)); err != nil {
		return head, nil, fmt.Errorf("snapshot: %w", err)
	}
	if crc32.Checksum(text.Bytes(), castagnoli) != binary.LittleEndian.Uint32(fixed[len(snapshotMagic)+4:]) {
		return head, nil, errors.New("snapshot: its head is damaged")
	}
	if err := json.Unmarshal(text.Bytes(), &head); err != nil {
		return head, nil, fmt.Errorf("snapshot: %w", err)
	}
	x, err = index.Read(r)
	return head, x, err
}
