package lane_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/lane"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// secondTicket adds one more ticket like the world's and returns its code.
func (r *rig) secondTicket() string {
	r.t.Helper()
	c, err := ticket.ParseCredential(r.world.Payload)
	r.must(err)
	c.Ticket++
	tk := r.world.Ticket
	tk.ID, tk.CredHash = c.Ticket, ticket.PayloadHash(c.Text())
	body, err := json.Marshal(tk)
	r.must(err)
	_, cursor := r.Cursor()
	r.must(r.apply([]wire.Entry{{Pos: cursor + 1, Kind: wire.KindTicket, Key: wire.Key(tk.ID), Ver: 1, Body: body}}))
	return c.Text()
}

// spew scans n different unreadable codes, one every gap.
func (r *rig) spew(n int, gap time.Duration) {
	for i := range n {
		r.scan(garbage(i))
		later(gap)
	}
}

func TestLane_RepeatedRefusalsBecomeOneCountedFact(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.spew(40, 20*time.Millisecond)
		r.wantShown(r.lane.Last(), ticket.NotATicket, lane.PassageNone)
		later(3 * time.Second)
		want := ticket.Note{Subject: "door", State: string(ticket.NotATicket), Count: 35}
		if got := r.notes(); len(got) != 1 || got[0] != want {
			t.Fatalf("notes %+v, want %+v", got, want)
		}
		r.wantFacts(ticket.FactRefused, ticket.FactRefused, ticket.FactRefused, ticket.FactRefused, ticket.FactRefused, ticket.FactRefusalsRepeated)
		r.wantShown(r.scan("afterwards"), ticket.NotATicket, lane.PassageNone)
		if got := len(r.facts()); got != 7 {
			t.Fatalf("%d facts: a refusal after the burst is an ordinary fact", got)
		}
	})
}

func TestLane_CountIsWrittenWhenTheLaneEnds(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.spew(8, 10*time.Millisecond)
		if len(r.notes()) != 0 {
			t.Fatal("written during the burst")
		}
		r.halt()
		if got := r.notes(); len(got) != 1 || got[0].Count != 3 {
			t.Fatalf("notes %+v, want one of 3", got)
		}
		r.run("door", r.gate)
	})
}

func TestLane_LongBurstIsWrittenEveryTenSeconds(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.spew(250, 100*time.Millisecond) // 25 s
		later(3 * time.Second)
		total := int64(0)
		notes := r.notes()
		for _, n := range notes {
			total += n.Count
		}
		if len(notes) != 3 || total != 245 {
			t.Fatalf("%d counted in %d notes, want 245 in 3", total, len(notes))
		}
	})
}

// TestLane_AdmissionsWithinABurstAreRecorded: only refusals are counted.
func TestLane_AdmissionsWithinABurstAreRecorded(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.spew(10, 10*time.Millisecond)
		r.wantShown(r.scan(r.world.Payload), ticket.Admitted, lane.PassageWaiting)
		r.wantShown(r.passage(drivers.Passed), ticket.Admitted, lane.PassagePassed)
		r.wantShown(r.scan(r.world.Payload), ticket.MaxEntries, lane.PassageNone)
		later(3 * time.Second)
		got := make(map[ticket.FactKind]int)
		for _, k := range r.facts() {
			got[k]++
		}
		if got[ticket.FactEntryGranted] != 1 || got[ticket.FactEntryPassed] != 1 || got[ticket.FactRefused] != 6 || got[ticket.FactRefusalsRepeated] != 1 {
			t.Fatalf("facts %v", got)
		}
	})
}

func TestBoard_GivesWhatIsNewAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lane.NewBoard()
		b.Post(lane.Shown{Lane: "a", Seq: 1})
		b.Post(lane.Shown{Lane: "b", Seq: 2})
		if posts, newest := b.Since(t.Context(), "", 0); len(posts) != 2 || newest != 2 || posts[0].Seq != 1 {
			t.Fatalf("%+v, %d", posts, newest)
		}
		if posts, newest := b.Since(t.Context(), "b", 0); len(posts) != 1 || posts[0].N != 2 || newest != 2 {
			t.Fatalf("%+v, %d", posts, newest)
		}
		bounded, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if posts, newest := b.Since(bounded, "a", 1); posts != nil || newest != 2 {
			t.Fatalf("%+v, %d", posts, newest)
		}
		got := make(chan []lane.Posted)
		go func() {
			posts, _ := b.Since(t.Context(), "a", 2)
			got <- posts
		}()
		synctest.Wait()
		b.Post(lane.Shown{Lane: "b"})
		b.Post(lane.Shown{Lane: "a", Seq: 9})
		if posts := <-got; len(posts) != 1 || posts[0].Seq != 9 {
			t.Fatalf("%+v", posts)
		}
	})
}

func TestBoard_ForgetsTheOldest(t *testing.T) {
	b := lane.NewBoard()
	for i := range 5000 {
		b.Post(lane.Shown{Seq: uint64(i)})
	}
	posts, newest := b.Since(t.Context(), "", 0)
	if newest != 5000 || len(posts) < 200 || len(posts) > 400 || posts[len(posts)-1].Seq != 4999 {
		t.Fatalf("%d posts, newest %d", len(posts), newest)
	}
}
