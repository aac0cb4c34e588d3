package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal/memlog"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// closedWith is a station's data directory with two tickets that name people, closed.
func closedWith(t *testing.T) *station {
	t.Helper()
	s := newStation(t)
	w := s.world()
	first, second := w.Ticket, w.Ticket
	first.Holder, first.Seat, first.Order = "*丽娟", "1层A区12排08座", "ORDER-77-SECRET"
	second.ID, second.Holder, second.CredHash = idOf(0), "*𠮷", ticket.PayloadHash(payloadOf(w, 0))
	s.apply([]wire.Entry{entryOf(t, s.next(), first), entryOf(t, s.next()+1, second)}, true)
	if err := s.PutLocal("account/x", map[string]string{"who": "NAMED-ACCOUNT"}); err != nil {
		t.Fatal(err)
	}
	s.do(request(w, 1, "door"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// openError opens the directory and returns what is said against it.
func openError(t *testing.T, cfg ledger.Config) error {
	t.Helper()
	l, _, err := ledger.Open(cfg, memlog.New(memlog.Options{Epoch: 1, Key: []byte("key")}))
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return err
}

func TestCatalogue_HoldsNoPersonalDataInTheClear(t *testing.T) {
	s := closedWith(t)
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, secret := range []string{"*丽娟", "丽娟", "𠮷", "12排08座", "ORDER-77-SECRET", "NAMED-ACCOUNT"} {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("%s contains %s", filepath.Base(path), secret)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	if tk, _, _ := s.Ticket(idOf(0)); tk.Holder != "*𠮷" {
		t.Fatalf("holder %q after a restart", tk.Holder)
	}
}

// values are the keys and values of a bucket.
func values(t *testing.T, path, bucket string, change func(b *bbolt.Bucket, keys, values [][]byte) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		var ks, vs [][]byte
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			ks, vs = append(ks, bytes.Clone(k)), append(vs, bytes.Clone(v))
		}
		return change(b, ks, vs)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCatalogue_SpoiltTicketIsFetchedAgain: a value that does not open is said, its ticket is refused
// as not yet synced and comes again with the feed; all others go on.
func TestCatalogue_SpoiltTicketIsFetchedAgain(t *testing.T) {
	for name, spoil := range map[string]func(b *bbolt.Bucket, k, v [][]byte) error{
		"swapped": func(b *bbolt.Bucket, k, v [][]byte) error { return b.Put(k[0], v[1]) },
		"one bit": func(b *bbolt.Bucket, k, v [][]byte) error { v[0][len(v[0])-1] ^= 1; return b.Put(k[0], v[0]) },
		"cut":     func(b *bbolt.Bucket, k, v [][]byte) error { return b.Put(k[0], v[0][:20]) },
		"empty":   func(b *bbolt.Bucket, k, _ [][]byte) error { return b.Put(k[0], nil) },
		"clear": func(b *bbolt.Bucket, k, _ [][]byte) error {
			return b.Put(k[0], []byte(`{"id":1,"of":"somebody else"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			w := s.world()
			other := w.Ticket
			other.ID, other.CredHash = idOf(0), ticket.PayloadHash(payloadOf(w, 0))
			all := []wire.Entry{entryOf(t, s.next(), w.Ticket), entryOf(t, s.next()+1, other)}
			s.apply(all, true)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			values(t, filepath.Join(s.dir, "catalogue.db"), "ticket", spoil)
			if err := os.Remove(filepath.Join(s.dir, "index.snap")); err != nil {
				t.Fatal(err)
			}
			s.start()
			if len(s.report.Damage) != 1 || s.Stats().Feed.Cursor != 0 || s.Stats().Feed.Epoch != "" {
				t.Fatalf("damage %v, feed %+v", s.report.Damage, s.Stats().Feed)
			}
			ask := s.asker(w)
			s.wantReason(ask, ticket.NotYetSynced)
			w2 := *w
			w2.Payload = payloadOf(w, 0)
			if a := s.do(request(&w2, 99, "door")); a.Verdict.Reason != ticket.Admitted {
				t.Fatalf("the other ticket: %s", a.Verdict.Reason)
			}
			s.apply(all, true)
			s.wantReason(ask, ticket.Admitted)
		})
	}
}

func TestCatalogue_AnotherStationsKeyIsNamed(t *testing.T) {
	s := closedWith(t)
	cfg := s.config()
	cfg.DataKey = bytes.Repeat([]byte{1}, 32)
	if err := openError(t, cfg); err == nil || !strings.Contains(err.Error(), "was sealed with another station's key") {
		t.Fatalf("got %v", err)
	}
	cfg.DataKey = cfg.DataKey[:31]
	if err := openError(t, cfg); err == nil || !strings.Contains(err.Error(), "data key") {
		t.Fatalf("short key: %v", err)
	}
}

func TestCatalogue_OfAnotherFormatIsRefusedAndLetGo(t *testing.T) {
	s := closedWith(t)
	path := filepath.Join(s.dir, "catalogue.db")
	set := func(v string) {
		values(t, path, "meta", func(b *bbolt.Bucket, _, _ [][]byte) error { return b.Put([]byte("format"), []byte(v)) })
	}
	set("9")
	if err := openError(t, s.config()); err == nil || !strings.Contains(err.Error(), "format 9") {
		t.Fatalf("got %v", err)
	}
	set("2")
	s.start() // fails if the refusal still holds the file
}

func TestCatalogue_InUseIsSaidClearly(t *testing.T) {
	s := newStation(t)
	err := openError(t, s.config())
	if err == nil || !strings.Contains(err.Error(), "catalogue.db is in use by another process") {
		t.Fatalf("got %v", err)
	}
}

func TestCatalogue_OfAnotherJournalIsRefused(t *testing.T) {
	s := closedWith(t)
	err := openError(t, s.config()) // an empty journal
	if err == nil || !strings.Contains(err.Error(), "journal ends at 0") {
		t.Fatalf("got %v", err)
	}
}
