package edge

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/desk"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

// blockDesk makes the desk unable to write, and returns what lets it go on.
func blockDesk(t *testing.T, s *runningStation, how string) (unblock func()) {
	t.Helper()
	file := filepath.Join(s.cfg.Data, "desk.sqlite")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	switch how {
	case "its lock is held":
		db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
		must(err)
		conn, err := db.Conn(t.Context())
		must(err)
		_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		must(err)
		return func() {
			_, err := conn.ExecContext(t.Context(), "ROLLBACK")
			must(err)
			must(conn.Close())
			must(db.Close())
		}
	default: // what is read of it makes no sense: it must be built again
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		must(err)
		info, err := f.Stat()
		must(err)
		_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(info.Size())), 0)
		must(err)
		must(f.Close())
		return func() {}
	}
}

// TestStation_BlockedDeskCostsNoCheck: a desk that cannot write is nothing to the gates. 64 callers get
// their answers, one of them the ticket's only entry; afterwards the desk catches up.
func TestStation_BlockedDeskCostsNoCheck(t *testing.T) {
	for _, how := range []string{"its lock is held", "its file is damaged"} {
		t.Run(how, func(t *testing.T) {
			w := firstWorld(t)
			cloud := newTestCloud(t)
			cloud.put(w)
			s := startStation(t, cloud, w)
			s.synced()
			s.until("the desk has caught up", func() bool { st := s.desk.Status(); return st.Ready && st.Lag() == 0 && st.Rebuild == "" })
			unblock := blockDesk(t, s, how)
			admitted := s.crowd(w, 64, 5)
			if admitted != 1 {
				t.Errorf("%d of all were admitted", admitted)
			}
			if how == "its lock is held" {
				if st := s.desk.Status(); st.Lag() == 0 {
					t.Errorf("the desk was not blocked: %+v", st)
				}
				s.until("the desk says so", func() bool { return s.desk.Status().Err != "" })
			}
			unblock()
			s.until("the desk has caught up again", func() bool {
				st := s.desk.Status()
				return st.Ready && st.Lag() == 0 && st.Err == "" && st.Rebuild == ""
			})
			s.until("the history is whole", func() bool {
				list, err := s.desk.Checks(t.Context(), desk.Filter{Reason: ticket.Admitted}, desk.Cursor{}, 10)
				if err != nil || len(list.Checks) != 1 || list.Checks[0].Ticket != decisions.TheID {
					return false // a question may be what finds the damage
				}
				r, err := s.desk.Report(t.Context(), desk.Scope{FromMs: 1, ToMs: 1 << 60})
				return err == nil && r.Total() == 64*5
			})
		})
	}
}

// crowd lets callers ask each times in a row, all of them for the same ticket, and returns how many times
// it was admitted.
func (s *runningStation) crowd(w *decisions.World, callers, times int) int {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	admitted := make(chan struct{}, callers*times)
	for c := range callers {
		wg.Go(func() {
			for i := range times {
				v, err := s.Check(ctx, CheckRequest{
					Device: s.device, Nonce: ticket.Nonce{1, byte(c), byte(i)}, Kind: ticket.RequestEntry, Lane: "door", Code: w.Payload,
				})
				if err != nil {
					s.t.Errorf("caller %d: %v", c, err)
					return
				}
				if v.Reason == ticket.Admitted {
					admitted <- struct{}{}
				}
			}
		})
	}
	wg.Wait()
	return len(admitted)
}

// TestStation_OlderHistoryFromTheCloud asks over the real transport: another station of the venue has let
// the ticket in before.
func TestStation_OlderHistoryFromTheCloud(t *testing.T) {
	w := firstWorld(t)
	cloud := newTestCloud(t)
	cloud.put(w)
	s := startStation(t, cloud, w)
	s.synced()
	got := s.check(s.token, map[string]any{"nonce": ticket.Nonce{1}, "code": w.Payload, "kind": "entry", "lane": "door"})
	if got.Verdict.Reason != ticket.Admitted {
		t.Fatalf("got %s", got.Verdict.Reason)
	}
	s.until("the fact is uploaded and in the desk", func() bool {
		st := s.desk.Status()
		return st.Ready && st.Lag() == 0 && s.ledger.Acked() == st.End
	})
	ask := func(older bool) desk.TicketHistory {
		t.Helper()
		h, err := s.desk.Ticket(t.Context(), decisions.TheID, older, 0)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if h := ask(false); h.Reach != desk.ReachNotNeeded || len(h.Local.Checks) != 1 || h.Seat == "" {
		t.Errorf("all of it is here: %+v", h)
	}
	if h := ask(true); h.Reach != desk.ReachAnswered || len(h.Local.Checks) != 1 || len(h.Cloud) != 0 {
		t.Errorf("the station's own facts came back: %+v", h)
	}
	cloud.wire.set(true)
	if h := ask(true); h.Reach != desk.ReachNone || len(h.Local.Checks) != 1 {
		t.Errorf("without the cloud: %+v", h)
	}
}
