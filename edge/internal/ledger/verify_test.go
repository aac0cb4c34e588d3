package ledger_test

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
)

// verify looks at a stopped copy of the station.
func (s *station) verify() ledger.Verification {
	s.t.Helper()
	log, _, err := seglog.Open(seglog.Config{Dir: filepath.Join(s.dir, "journal"), Epoch: 1, Key: []byte("chain key of a test"), SegmentSize: 64 << 10})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	v, err := ledger.Verify(context.Background(), s.config(), log)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// TestVerify_FindsWhatIsWrongAndWhere, and nothing in a whole station, after a kill or an orderly end.
func TestVerify_FindsWhatIsWrongAndWhere(t *testing.T) {
	forge := func(b *bbolt.Bucket, k, v [][]byte) error { // by somebody who knows the checksum, too
		binary.BigEndian.PutUint16(v[0][4:], 0) // used: not at all
		end := len(v[0]) - 4
		sum := crc32.Update(crc32.Checksum(k[0], crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), v[0][:end])
		binary.BigEndian.PutUint32(v[0][end:], sum)
		return b.Put(k[0], v[0])
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, s *station)
		where string // of the first finding; "" for none
		what  string
	}{
		"whole": {},
		"a ticket that does not open": {func(t *testing.T, s *station) {
			values(t, filepath.Join(s.dir, "catalogue.db"), "ticket", func(b *bbolt.Bucket, k, v [][]byte) error { v[0][20] ^= 1; return b.Put(k[0], v[0]) })
		}, "snapshot", "knows"},
		"a forged state": {func(t *testing.T, s *station) {
			values(t, filepath.Join(s.dir, "catalogue.db"), "state", forge)
		}, "snapshot", "used 1"},
		"a forged state, no snapshot": {func(t *testing.T, s *station) {
			values(t, filepath.Join(s.dir, "catalogue.db"), "state", forge)
			_ = os.Remove(filepath.Join(s.dir, "index.snap"))
		}, "index", "used 0"},
		"a state with a flipped bit": {func(t *testing.T, s *station) {
			values(t, filepath.Join(s.dir, "catalogue.db"), "state", func(b *bbolt.Bucket, k, v [][]byte) error { v[0][0] ^= 1; return b.Put(k[0], v[0]) })
		}, "catalogue", "state of a ticket"},
		"a smashed catalogue": {func(_ *testing.T, s *station) { s.smash(0) }, "catalogue", "invalid database"},
		"a damaged snapshot": {func(t *testing.T, s *station) {
			if err := os.Truncate(filepath.Join(s.dir, "index.snap"), 300); err != nil {
				t.Fatal(err)
			}
		}, "snapshot", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := crowd(t, 12)
			if err := s.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			s.mustSnapshot()
			s.enter(w, 1, ticket.Admitted)
			k := s.crash()
			if c.spoil != nil {
				c.spoil(t, k)
			}
			v := k.verify()
			if c.where == "" {
				if len(v.Findings) != 0 || v.Tickets != 13 || v.States != 4 || !v.Snapshot || v.Last != s.Durable().Seq {
					t.Fatalf("%+v", v)
				}
				return
			}
			for _, f := range v.Findings {
				if f.Where == c.where && strings.Contains(f.What, c.what) {
					return
				}
			}
			t.Fatalf("%+v, want %s: …%s…", v.Findings, c.where, c.what)
		})
	}
}
