package cloud_test

import (
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"yipiao/cloud"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// all reads the feed to its head.
func (s *station) all() {
	s.t.Helper()
	for s.poll(0) > 0 {
	}
}

// holding counts what a machine may exercise.
func (s *station) holding() (n int) {
	for _, h := range s.held {
		if h.Holds {
			n++
		}
	}
	return n
}

// TestReplace_FromCodeToDecision: a machine takes another one's place, holds nothing until somebody has
// decided, and both ends are equal at every step (sync.md section 8).
func TestReplace_FromCodeToDecision(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.run()
		ctx := t.Context()
		if _, err := w.cloud.ReplaceCode(ctx, 1, ""); !errors.Is(err, cloud.ErrNotEnrolled) {
			t.Fatalf("replacing nobody: %v", err)
		}
		old := w.enrol()
		old.all()
		if _, err := w.cloud.Replaced(ctx, 1); !errors.Is(err, cloud.ErrNotReplaced) {
			t.Fatalf("nothing was replaced: %v", err)
		}
		var ids []ticket.TicketID
		for id := range old.tickets {
			ids = append(ids, id)
		}
		old.admit(ids[0])
		old.upload()
		old.admit(ids[1]) // not reported
		code, err := w.cloud.ReplaceCode(ctx, 1, "")
		if err != nil {
			t.Fatal(err)
		}
		fresh := w.become(code)
		fresh.all()
		if len(fresh.tickets) != 20 || fresh.holding() != 0 {
			t.Fatalf("%d tickets, %d held", len(fresh.tickets), fresh.holding())
		}
		w.equal(fresh)
		r, err := w.cloud.Replaced(ctx, 1)
		if err != nil || r.Epoch != 1 || r.Durable != 1 || r.Stranded != 20 || !r.Undecided || r.FromMs == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		d, err := w.cloud.Decide(ctx, 1, true)
		if err != nil || d.Rights != 20 || d.Uncertain == 0 || d.Uncertain > 19 {
			t.Fatalf("%+v, %v", d, err)
		}
		fresh.all()
		if fresh.holding() != 20 || fresh.held[ids[0]].Used != 1 {
			t.Fatalf("%d held, %+v", fresh.holding(), fresh.held[ids[0]])
		}
		w.equal(fresh)
		if _, err := w.cloud.Decide(ctx, 1, false); !errors.Is(err, cloud.ErrNotReplaced) {
			t.Fatalf("deciding twice: %v", err)
		}
		// The old machine brings the rest: good for nothing but the record.
		if ack := old.upload(); ack.Durable != 2 {
			t.Fatalf("%+v", ack)
		}
		if _, err := old.client.Feed(ctx, wire.FeedRequest{}); err == nil {
			t.Fatal("the old machine reads the feed")
		}
		st, err := w.cloud.Ticket(ctx, ids[1])
		if err != nil || st.Used != 0 || st.Gen != 2 {
			t.Fatalf("%+v, %v", st, err)
		}
		status, err := w.cloud.Status(ctx)
		if err != nil || status.Stations[0].Conflicts != 1 || status.Stations[0].Epoch != 2 {
			t.Fatalf("%+v, %v", status, err)
		}
	})
}

// equal compares both ends' digests.
func (w *world) equal(s *station) {
	w.t.Helper()
	d, err := w.cloud.Digests(w.t.Context(), 1)
	if err != nil {
		w.t.Fatal(err)
	}
	want := s.digests()
	for _, sd := range d.Sessions {
		if sd.Digest != want[sd.ID] {
			w.t.Errorf("session %d: the ends differ", sd.ID)
		}
	}
}

// TestBackupKey: every station is told the tenant's recipient; showing the private half is recorded.
func TestBackupKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.run()
		s := w.enrol()
		text, err := w.cloud.BackupKey(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		id, err := age.ParseX25519Identity(text)
		if err != nil || id.Recipient().String() != s.recipient || !strings.HasPrefix(s.recipient, "age1") {
			t.Fatalf("recipient %q, %v", s.recipient, err)
		}
		if _, err := w.cloud.BackupKey(t.Context(), 9); !errors.Is(err, cloud.ErrUnknownStation) {
			t.Fatal(err)
		}
		other := w.open() // another process finds the same key
		if again, err := other.BackupKey(t.Context(), 1); err != nil || again != text {
			t.Fatalf("another key: %v", err)
		}
		if strings.Contains(w.log.String(), text) {
			t.Fatal("the key is in the log")
		}
	})
}
