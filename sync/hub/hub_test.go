package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var self = link.Peer{Tenant: 7, Station: 1}

func newHub(t *testing.T) (*hubmem.Store, *hub.Hub) {
	t.Helper()
	store := hubmem.New()
	store.AddStation(self, 1, chainKey)
	return store, hub.New(store, nil, time.Now, slog.New(slog.DiscardHandler))
}

func aTicket(id ticket.TicketID) ticket.Ticket {
	return ticket.Ticket{
		ID: id, Session: 3, Group: 1, Type: ticket.TypeNormal, Seat: "1排1座", Order: "O1", Status: ticket.StatusValid,
		Code: ticket.TicketCode(fmt.Sprintf("110101001012026112501%06d", id)), Cred: 1,
		CredHash: ticket.PayloadHash(fmt.Sprint(id)), Entry: ticket.Right{Max: 1},
	}
}

func put(t *testing.T, s *hubmem.Store, ids ...ticket.TicketID) {
	t.Helper()
	for _, id := range ids {
		if err := s.PutTicket(self, aTicket(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func poll(t *testing.T, h *hub.Hub, req wire.FeedRequest) wire.Page {
	t.Helper()
	page, err := h.Feed(t.Context(), self, req)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func code(err error) wire.Code {
	var answer *wire.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

func TestFeed_AWaitingPollIsAnsweredAtOnceByAChangeAndEmptyAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, h := newHub(t)
		start := time.Now()
		page := poll(t, h, wire.FeedRequest{WaitMs: 60_000}) // more than is allowed
		if took := time.Since(start); took != wire.MaxWaitMs*time.Millisecond || len(page.Entries) != 0 || !page.CaughtUp {
			t.Fatalf("empty poll: %+v after %s", page, took)
		}
		go func() {
			<-time.After(time.Second)
			put(t, store, 1)
		}()
		start = time.Now()
		page = poll(t, h, wire.FeedRequest{Epoch: page.Epoch, WaitMs: wire.MaxWaitMs})
		if took := time.Since(start); took != time.Second || len(page.Entries) != 1 || !page.CaughtUp || page.Next != 1 {
			t.Fatalf("poll: %+v after %s", page, took)
		}
	})
}

// hidden is a store whose changes ring no bell here, as when another process makes them.
type hidden struct{ *hubmem.Store }

func (hidden) Changed(link.Peer) <-chan struct{} { return nil }

func TestRun_WakesForChangesOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newHub(t)
		h := hub.New(hidden{store}, nil, time.Now, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		go func() {
			<-time.After(time.Second)
			put(t, store, 1)
		}()
		start := time.Now()
		page := poll(t, h, wire.FeedRequest{WaitMs: wire.MaxWaitMs})
		if took := time.Since(start); took > 1250*time.Millisecond || len(page.Entries) != 1 {
			t.Fatalf("poll: %+v after %s", page, took)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}

func TestFeed_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := newHub(t)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := h.Feed(ctx, self, wire.FeedRequest{WaitMs: wire.MaxWaitMs}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
	})
}

func TestFeed_ResetsACursorThatIsNotOfThisFeed(t *testing.T) {
	store, h := newHub(t)
	put(t, store, 1, 2)
	epoch := poll(t, h, wire.FeedRequest{}).Epoch
	for name, req := range map[string]wire.FeedRequest{
		"another epoch":          {Epoch: "other", Cursor: 1},
		"another epoch from 0":   {Epoch: "other"},
		"no epoch with a cursor": {Cursor: 1},
		"beyond the head":        {Epoch: epoch, Cursor: 3},
	} {
		page := poll(t, h, req)
		if !page.Reset || page.Next != 0 || page.Epoch != epoch || len(page.Entries) != 0 || page.CaughtUp {
			t.Errorf("%s: %+v", name, page)
		}
	}
	store.Rebuild(self)
	if page := poll(t, h, wire.FeedRequest{Epoch: epoch, Cursor: 2}); !page.Reset || page.Epoch == epoch {
		t.Errorf("after a rebuild: %+v", page)
	}
}

// Custody-model hole 11: the next cursor never jumps over rows that the page has left out.
func TestHole11_NextCursorIsTheLastPositionOfAnIncompletePage(t *testing.T) {
	store, h := newHub(t)
	put(t, store, 1, 2, 3, 4, 5)
	first := poll(t, h, wire.FeedRequest{Limit: 2})
	if len(first.Entries) != 2 || first.Next != first.Entries[1].Pos || first.CaughtUp {
		t.Fatalf("first page %+v", first)
	}
	put(t, store, 6) // stamped while the station is reading
	req := wire.FeedRequest{Epoch: first.Epoch, Cursor: first.Next, Limit: 100}
	rest := poll(t, h, req)
	if len(rest.Entries) != 4 || !rest.CaughtUp || rest.Next != 6 {
		t.Fatalf("rest %+v", rest)
	}
}

// stamping lets something happen between the look at the head and the reservation.
type stamping struct {
	*hubmem.Store
	between func()
}

func (s stamping) Reserve(ctx context.Context, f link.Peer) (hub.Head, error) {
	s.between()
	return s.Store.Reserve(ctx, f)
}

func TestFeed_CaughtUpNeedsTheWholePage(t *testing.T) {
	store, _ := newHub(t)
	put(t, store, 1)
	changed := false
	h := hub.New(stamping{store, func() {
		if !changed {
			changed = true
			put(t, store, 2)
			if _, err := store.Stamp(t.Context(), self); err != nil { // another node stamps
				t.Error(err)
			}
		}
	}}, nil, time.Now, slog.New(slog.DiscardHandler))
	page := poll(t, h, wire.FeedRequest{})
	if len(page.Entries) != 2 || page.Next != 2 || !page.CaughtUp {
		t.Fatalf("page %+v", page)
	}
	h = hub.New(stamping{store, func() { store.Rebuild(self) }}, nil, time.Now, slog.New(slog.DiscardHandler))
	if page = poll(t, h, wire.FeedRequest{}); !page.Reset || page.Next != 0 {
		t.Fatalf("rebuilt while reading: %+v", page)
	}
}

func TestFeed_UnknownKindsAndTombstonesTravel(t *testing.T) {
	store, h := newHub(t)
	store.Put(self, wire.Entry{Kind: "hologram", Key: "x", Body: json.RawMessage(`{"a":1}`), Tickets: []ticket.TicketID{4}})
	store.PutSession(self, ticket.Session{ID: 3})
	store.Remove(self, wire.KindSession, "3")
	page := poll(t, h, wire.FeedRequest{})
	if len(page.Entries) != 2 {
		t.Fatalf("page %+v", page)
	}
	for _, e := range page.Entries {
		switch e.Kind {
		case "hologram":
			if len(e.Tickets) != 1 || string(e.Body) != `{"a":1}` {
				t.Errorf("entry %+v", e)
			}
		default:
			if !e.Gone || e.Ver != 2 || len(e.Body) != 0 {
				t.Errorf("entry %+v", e)
			}
		}
	}
}

func TestHub_StrangersAndRevokedStations(t *testing.T) {
	store, h := newHub(t)
	stranger := link.Peer{Tenant: 8, Station: 1}
	if _, err := h.Feed(t.Context(), stranger, wire.FeedRequest{}); code(err) != wire.CodeUnknownPeer {
		t.Errorf("feed of a stranger: %v", err)
	}
	if _, err := h.Upload(t.Context(), stranger, &wire.Batch{Epoch: 1}); code(err) != wire.CodeUnknownPeer {
		t.Errorf("upload of a stranger: %v", err)
	}
	store.Revoke(self)
	if _, err := h.Feed(t.Context(), self, wire.FeedRequest{}); code(err) != wire.CodeRevoked {
		t.Errorf("feed of a revoked station: %v", err)
	}
	ack, err := h.Upload(t.Context(), self, &wire.Batch{Epoch: 1, Entries: run(journal.Sum{}, 1, 2)})
	if err != nil || ack.Durable != 2 || ack.Folded != 2 {
		t.Errorf("rest of a revoked station's journal: %+v, %v", ack, err)
	}
}

// failing is a store that cannot fold for a while.
type failing struct {
	*hubmem.Store
	broken *bool
}

func (f failing) Fold(ctx context.Context, p link.Peer, most int, nowMs int64) (uint64, bool, error) {
	if *f.broken {
		return 0, false, errors.New("disk on fire")
	}
	return f.Store.Fold(ctx, p, most, nowMs)
}

func TestUpload_IsNotBlockedByAFoldThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newHub(t)
		broken := true
		h := hub.New(failing{store, &broken}, nil, time.Now, slog.New(slog.DiscardHandler))
		ack, err := h.Upload(t.Context(), self, &wire.Batch{Epoch: 1, Entries: run(journal.Sum{}, 1, 1200)})
		if err != nil || ack.Durable != 1200 || ack.Folded != 0 {
			t.Fatalf("ack %+v, %v", ack, err)
		}
		broken = false
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := h.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if j := store.Journal(self); j.Folded != 1200 {
			t.Fatalf("Run has left %+v", j)
		}
	})
}

func TestUpload_RefusalsCarryTheCloudsClock(t *testing.T) {
	_, h := newHub(t)
	_, err := h.Upload(t.Context(), self, &wire.Batch{Epoch: 2})
	var answer *wire.Error
	if !errors.As(err, &answer) || answer.Code != wire.CodeEpoch || answer.Ack.TimeMs == 0 || answer.Ack.Epoch != 1 {
		t.Fatalf("error %v", err)
	}
}

func TestEnrol_VersionAndAbsence(t *testing.T) {
	_, h := newHub(t)
	if _, err := h.Enrol(t.Context(), &wire.EnrolRequest{Version: 2}); code(err) != wire.CodeVersion {
		t.Errorf("another version: %v", err)
	}
	if _, err := h.Enrol(t.Context(), &wire.EnrolRequest{Version: 1}); code(err) != wire.CodeUnavailable {
		t.Errorf("nobody enrols: %v", err)
	}
}
