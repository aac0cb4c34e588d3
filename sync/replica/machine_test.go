package replica_test

import (
	"testing"
	"time"

	"yipiao/sync/replica"
	"yipiao/sync/wire"
)

func page(epoch string, next uint64) *wire.Page {
	return &wire.Page{Version: 1, Epoch: epoch, Next: next}
}

func wantPoll(t *testing.T, a replica.DownAction, epoch string, cursor uint64) {
	t.Helper()
	if a.Poll == nil || a.Poll.Epoch != epoch || a.Poll.Cursor != cursor {
		t.Fatalf("got %+v, want a poll of %q from %d", a, epoch, cursor)
	}
}

func wantSleep(t *testing.T, a replica.DownAction, want time.Duration) {
	t.Helper()
	if a.Sleep != want || a.Poll != nil || a.Apply != nil || a.Reset != "" {
		t.Fatalf("got %+v, want a pause of %s", a, want)
	}
}

func TestDown_FollowsTheFeedPageByPage(t *testing.T) {
	d := replica.NewDown("e", 10, 1000, 5000)
	a := d.Step(replica.DownEvent{Woke: true})
	wantPoll(t, a, "e", 10)
	if a.Poll.Limit != 1000 || a.Poll.WaitMs != 5000 {
		t.Fatalf("%+v", a.Poll)
	}
	p := page("e", 20)
	if a = d.Step(replica.DownEvent{Page: p}); a.Apply != p {
		t.Fatalf("got %+v", a)
	}
	if d.CaughtUp() {
		t.Fatal("caught up before anything was applied")
	}
	wantPoll(t, d.Step(replica.DownEvent{Applied: true}), "e", 20)
	p = page("e", 20)
	p.CaughtUp = true
	d.Step(replica.DownEvent{Page: p})
	wantPoll(t, d.Step(replica.DownEvent{Applied: true}), "e", 20)
	if !d.CaughtUp() {
		t.Fatal("not caught up")
	}
}

func TestDown_KeepsToTheLimitsOfTheWire(t *testing.T) {
	a := replica.NewDown("", 0, 1<<20, 1<<20).Step(replica.DownEvent{Woke: true})
	if a.Poll.Limit != wire.MaxPageRows || a.Poll.WaitMs != wire.MaxWaitMs {
		t.Fatalf("%+v", a.Poll)
	}
}

func TestDown_ResetBeginsTheNewEpochFromZero(t *testing.T) {
	for name, p := range map[string]*wire.Page{
		"told":          {Version: 1, Epoch: "new", Reset: true},
		"first contact": {Version: 1, Epoch: "new", Next: 3},
	} {
		d := replica.NewDown("old", 500, 10, 0)
		if a := d.Step(replica.DownEvent{Page: p}); a.Reset != "new" || a.Apply != nil {
			t.Fatalf("%s: got %+v", name, a)
		}
		wantPoll(t, d.Step(replica.DownEvent{Applied: true}), "new", 0)
	}
}

// A Reset that failed must be tried again: the new epoch with the old cursor would be a page that no
// store takes, for ever.
func TestDown_ResetThatFailedIsTriedAgain(t *testing.T) {
	d := replica.NewDown("old", 500, 10, 0)
	p := &wire.Page{Version: 1, Epoch: "new", Reset: true}
	for range 3 {
		if a := d.Step(replica.DownEvent{Page: p}); a.Reset != "new" {
			t.Fatalf("got %+v", a)
		}
		if a := d.Step(replica.DownEvent{Failed: true}); a.Sleep == 0 {
			t.Fatalf("got %+v", a)
		}
		wantPoll(t, d.Step(replica.DownEvent{Woke: true}), "old", 500)
	}
	d.Step(replica.DownEvent{Page: p})
	wantPoll(t, d.Step(replica.DownEvent{Applied: true}), "new", 0)
}

func TestDown_PageThatHasToWaitIsOfferedAgain(t *testing.T) {
	d := replica.NewDown("e", 0, 10, 0)
	p := page("e", 5)
	d.Step(replica.DownEvent{Page: p})
	for range 50 { // waiting is no failure: the pause does not grow
		wantSleep(t, d.Step(replica.DownEvent{NotYet: true}), 100*time.Millisecond)
		if a := d.Step(replica.DownEvent{Woke: true}); a.Apply != p {
			t.Fatalf("got %+v", a)
		}
	}
	wantPoll(t, d.Step(replica.DownEvent{Applied: true}), "e", 5)
}

func TestDown_FailuresBackOffAndSuccessEndsThat(t *testing.T) {
	d := replica.NewDown("e", 7, 10, 0)
	want := []time.Duration{200, 400, 800, 1600, 3200, 5000, 5000, 5000}
	for _, ms := range want {
		wantSleep(t, d.Step(replica.DownEvent{Failed: true}), ms*time.Millisecond)
		wantPoll(t, d.Step(replica.DownEvent{Woke: true}), "e", 7)
	}
	d.Step(replica.DownEvent{Page: page("e", 8)})
	wantPoll(t, d.Step(replica.DownEvent{Applied: true}), "e", 8)
	wantSleep(t, d.Step(replica.DownEvent{Failed: true}), 200*time.Millisecond)
}

func TestDown_PageWhoseApplyFailedIsPolledAgain(t *testing.T) {
	d := replica.NewDown("e", 7, 10, 0)
	p := page("e", 9)
	p.CaughtUp = true
	d.Step(replica.DownEvent{Page: p})
	d.Step(replica.DownEvent{Failed: true})
	wantPoll(t, d.Step(replica.DownEvent{Woke: true}), "e", 7)
	if d.CaughtUp() {
		t.Fatal("caught up on a page that was not applied")
	}
}

func TestDown_OldPageDoesNotMoveTheCursorBack(t *testing.T) {
	d := replica.NewDown("e", 7, 10, 0)
	if a := d.Step(replica.DownEvent{Page: page("e", 6)}); a.Apply != nil || a.Sleep == 0 {
		t.Fatalf("got %+v", a)
	}
	wantPoll(t, d.Step(replica.DownEvent{Woke: true}), "e", 7)
	if a := d.Step(replica.DownEvent{Page: page("e", 7)}); a.Apply == nil { // the same again is harmless
		t.Fatalf("got %+v", a)
	}
}

func TestDown_PageWithoutAnEpochIsNotBelieved(t *testing.T) {
	d := replica.NewDown("e", 7, 10, 0)
	wantSleep(t, d.Step(replica.DownEvent{Page: &wire.Page{Version: 1, Reset: true}}), 200*time.Millisecond)
	wantPoll(t, d.Step(replica.DownEvent{Woke: true}), "e", 7)
}

func wantUp(t *testing.T, got, want replica.UpAction) {
	t.Helper()
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestUp_UploadsWhatIsDurableAndWaitsForMore(t *testing.T) {
	u := replica.NewUp(3)
	wantUp(t, u.Step(replica.UpEvent{Woke: true}, 3), replica.UpAction{Await: 4})
	wantUp(t, u.Step(replica.UpEvent{Woke: true}, 9), replica.UpAction{Upload: 4})
	wantUp(t, u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 6}}, 9), replica.UpAction{Upload: 7})
	wantUp(t, u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 9}}, 9), replica.UpAction{Await: 10})
}

// A gap, or a cloud restored to an earlier time, is answered with what the cloud holds.
func TestUp_GoesOnFromWhatTheCloudHolds(t *testing.T) {
	u := replica.NewUp(9)
	wantUp(t, u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 2}}, 20), replica.UpAction{Upload: 3})
	wantUp(t, u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 15}}, 20), replica.UpAction{Upload: 16})
}

// A reply that was lost after the commit shows as a failure; the same is sent again and acknowledged.
func TestUp_LostReplyIsSentAgain(t *testing.T) {
	u := replica.NewUp(0)
	u.Step(replica.UpEvent{Woke: true}, 5)
	wantUp(t, u.Step(replica.UpEvent{Failed: true}, 5), replica.UpAction{Sleep: 200 * time.Millisecond})
	wantUp(t, u.Step(replica.UpEvent{Woke: true}, 6), replica.UpAction{Upload: 1})
	wantUp(t, u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 6}}, 6), replica.UpAction{Await: 7})
}

func TestUp_FailuresBackOffAndSuccessEndsThat(t *testing.T) {
	u := replica.NewUp(0)
	for _, ms := range []time.Duration{200, 400, 800, 1600, 3200, 5000, 5000} {
		wantUp(t, u.Step(replica.UpEvent{Failed: true}, 5), replica.UpAction{Sleep: ms * time.Millisecond})
		wantUp(t, u.Step(replica.UpEvent{Woke: true}, 5), replica.UpAction{Upload: 1})
	}
	u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 1}}, 5)
	wantUp(t, u.Step(replica.UpEvent{Failed: true}, 5), replica.UpAction{Sleep: 200 * time.Millisecond})
}

// An answer that brings nothing on must not be asked for in a tight loop.
func TestUp_AnswerWithoutAStepOnBacksOff(t *testing.T) {
	u := replica.NewUp(4)
	u.Step(replica.UpEvent{Woke: true}, 9)
	wantUp(t, u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 4}}, 9), replica.UpAction{Sleep: 200 * time.Millisecond})
	wantUp(t, u.Step(replica.UpEvent{Woke: true}, 9), replica.UpAction{Upload: 5})
	wantUp(t, u.Step(replica.UpEvent{Acked: &wire.Ack{Durable: 4}}, 9), replica.UpAction{Sleep: 400 * time.Millisecond})
}

// A cloud that holds more than the station's durable journal: nothing to send until it is passed.
func TestUp_CloudAheadOfTheJournal(t *testing.T) {
	u := replica.NewUp(12)
	wantUp(t, u.Step(replica.UpEvent{Woke: true}, 5), replica.UpAction{Await: 13})
	wantUp(t, u.Step(replica.UpEvent{Woke: true}, 14), replica.UpAction{Upload: 13})
}
