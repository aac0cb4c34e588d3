package vitals_test

import (
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/vitals"
)

func TestTrackerTellsStateAtMostTwiceASecond(t *testing.T) {
	var told []drivers.Health
	tr := vitals.New(func(e drivers.Event) { told = append(told, e.(drivers.Health)) })
	now := time.Unix(1000, 0)

	tr.Good(now)
	tr.Flush(now)
	if len(told) != 0 {
		t.Fatalf("told %v before any state was set", told)
	}
	tr.Set(drivers.StateOK, "")
	tr.Flush(now)
	if len(told) != 1 || told[0].State != drivers.StateOK || told[0].Frames != 1 || !told[0].LastGood.Equal(now) {
		t.Fatalf("first: %+v", told)
	}

	tr.Bad()
	tr.Set(drivers.StateLost, "no answer")
	tr.Flush(now.Add(100 * time.Millisecond))
	if len(told) != 1 {
		t.Fatalf("told again after 100 ms: %+v", told)
	}
	due, ok := tr.Due()
	if !ok || due.Sub(now) != 500*time.Millisecond {
		t.Fatalf("due %v after the first, %v; want 500 ms", due.Sub(now), ok)
	}
	tr.Flush(due)
	if len(told) != 2 || told[1].State != drivers.StateLost || told[1].Errors != 1 || told[1].Note != "no answer" {
		t.Fatalf("second: %+v", told)
	}
}

func TestTrackerTellsCountersOnlyNowAndThen(t *testing.T) {
	n := 0
	tr := vitals.New(func(drivers.Event) { n++ })
	now := time.Unix(1000, 0)
	tr.Set(drivers.StateOK, "")
	tr.Flush(now)
	if _, ok := tr.Due(); ok {
		t.Error("due although nothing changed")
	}
	for i := range 40 { // four seconds of polls
		tr.Good(now)
		tr.Flush(now.Add(time.Duration(i) * 100 * time.Millisecond))
	}
	if n != 1 {
		t.Errorf("told %d times within 4 s, want 1", n)
	}
	tr.Flush(now.Add(5 * time.Second))
	if n != 2 {
		t.Errorf("told %d times after 5 s, want 2", n)
	}
}

func TestTrackerTellsTheFirmware(t *testing.T) {
	var last drivers.Health
	tr := vitals.New(func(e drivers.Event) { last = e.(drivers.Health) })
	now := time.Unix(1000, 0)
	tr.Set(drivers.StateOK, "")
	tr.Flush(now)
	tr.Firmware("2.6")
	if due, ok := tr.Due(); !ok || due.Sub(now) != 500*time.Millisecond {
		t.Errorf("due %v, %v; want after 500 ms", due.Sub(now), ok)
	}
	tr.Flush(now.Add(500 * time.Millisecond))
	if last.Firmware != "2.6" {
		t.Errorf("told %+v", last)
	}
}
