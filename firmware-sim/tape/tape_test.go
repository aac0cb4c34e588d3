package tape_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/firmware-sim/tape"
)

func TestSinceReturnsWhatIsNew(t *testing.T) {
	tp := tape.New(3)
	for _, text := range []string{"one", "two", "three", "four"} {
		tp.Recorder("gate-1").Add("kind", text, []byte{0xAB})
	}
	tp.Add("scanner-1", "sent", "five", nil)
	got := tp.Since(t.Context(), "", 0)
	if len(got) != 4 || got[0].Text != "two" || got[3].Seq != 5 {
		t.Errorf("%+v, want the newest three of the gate and the scanner's", got)
	}
	got = tp.Since(t.Context(), "gate-1", 3)
	if len(got) != 1 || got[0].Text != "four" || got[0].Hex != "ab" || got[0].Device != "gate-1" || got[0].Time.IsZero() {
		t.Errorf("%+v, want only gate-1's fourth", got)
	}
	if tp.Last() != 5 {
		t.Errorf("last %d, want 5", tp.Last())
	}
}

func TestSinceWaitsForItsDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(10)
		time.AfterFunc(time.Second, func() { tp.Add("gate-1", "k", "not this", nil) })
		time.AfterFunc(2*time.Second, func() { tp.Add("scanner-1", "k", "this", nil) })
		start := time.Now()
		got := tp.Since(t.Context(), "scanner-1", 0)
		if len(got) != 1 || got[0].Text != "this" || time.Since(start) != 2*time.Second {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := tp.Since(ctx, "scanner-1", tp.Last()); got != nil {
			t.Errorf("%+v, want nothing once the context has ended", got)
		}
	})
}

func TestZeroRecorderRecordsNothing(t *testing.T) {
	tape.Recorder{}.Add("kind", "text", nil)
}
