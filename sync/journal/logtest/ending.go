package logtest

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"yipiao/sync/journal"
)

const (
	callers   = 64
	perCaller = 40
)

func testClose(t *testing.T, h Harness) {
	l := open(t, h)
	for range 10 {
		mustAppend(t, l, rec(1, "not waited for"))
	}
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if l.End() != 10 || l.Durable().Seq != 10 {
		t.Errorf("closed with end %d and durable %v, want 10", l.End(), l.Durable())
	}
	mustWait(t, l, 10)
	expectAll(t, l, journal.ErrClosed)
	if err := l.Close(); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("second close: %v, want ErrClosed", err)
	}
	again := open(t, h)
	if again.End() != 10 || len(mustRead(t, again, 1, 100, 1<<20)) != 10 {
		t.Errorf("opened again with end %d, want 10", again.End())
	}
	if got := mustAppend(t, again, rec(2, "more")); got != 11 {
		t.Errorf("append after opening again returned %d, want 11", got)
	}
}

// expectAll checks that nothing can be done any more and why.
func expectAll(t *testing.T, l journal.Log, want error) {
	t.Helper()
	if _, err := l.Append(rec(1, "late")); !errors.Is(err, want) {
		t.Errorf("append: %v, want %v", err, want)
	}
	if err := l.Wait(context.Background(), l.Durable().Seq+1); !errors.Is(err, want) {
		t.Errorf("wait: %v, want %v", err, want)
	}
	if _, err := l.Read(1, 1, 1); !errors.Is(err, want) {
		t.Errorf("read: %v, want %v", err, want)
	}
}

func testCloseEndsWait(t *testing.T, h Harness) {
	l := open(t, h)
	done := make(chan error, 1)
	go func() { done <- l.Wait(context.Background(), 1<<40) }()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, journal.ErrClosed) {
		t.Errorf("wait: %v, want ErrClosed", err)
	}
}

func testFailed(t *testing.T, h Harness) {
	l := open(t, h)
	mustWait(t, l, mustAppend(t, l, rec(1, "good")))
	h.Fail()
	seq, err := l.Append(rec(2, "lost"))
	if err == nil {
		err = l.Wait(context.Background(), seq)
	}
	if !errors.Is(err, journal.ErrFailed) {
		t.Fatalf("append and wait: %v, want ErrFailed", err)
	}
	for range 3 {
		expectAll(t, l, journal.ErrFailed)
	}
	if got := l.Durable().Seq; got != 1 {
		t.Errorf("durable is %d, want 1", got)
	}
	mustWait(t, l, 1)
	if err := l.Close(); !errors.Is(err, journal.ErrFailed) {
		t.Errorf("close: %v, want ErrFailed", err)
	}
}

// testCallers has many callers append and wait, one in eight in pairs, and checks that each finds
// its own facts in its own order, exactly once.
func testCallers(t *testing.T, h Harness) {
	l := open(t, h)
	seqs := make([][]uint64, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range perCaller {
				recs := []journal.Record{callerRecord(c, i)}
				if i%8 == 0 {
					recs = append(recs, journal.Record{Body: []byte("second")})
				}
				last, err := l.Append(recs...)
				if err == nil {
					err = l.Wait(context.Background(), last)
				}
				if err != nil {
					t.Errorf("caller %d: %v", c, err)
					return
				}
				if d := l.Durable().Seq; d < last {
					t.Errorf("caller %d: durable is %d after waiting for %d", c, d, last)
				}
				seqs[c] = append(seqs[c], last-uint64(len(recs))+1)
			}
		})
	}
	wg.Wait()
	all := readAll(t, h, l, l.End())
	for c := range callers {
		for i, seq := range seqs[c] {
			if want := callerRecord(c, i); string(all[seq-1].Body) != string(want.Body) {
				t.Fatalf("entry %d is not fact %d of caller %d", seq, i, c)
			}
			if i > 0 && seq <= seqs[c][i-1] {
				t.Fatalf("caller %d got %d after %d", c, seq, seqs[c][i-1])
			}
		}
	}
}

func callerRecord(c, i int) journal.Record {
	body := binary.BigEndian.AppendUint32(nil, uint32(c))
	return journal.Record{Kind: journal.Kind(c), TimeMs: int64(i), Body: binary.BigEndian.AppendUint32(body, uint32(i))}
}

// readAll reads entries 1 to end and checks their chain.
func readAll(t *testing.T, h Harness, l journal.Log, end uint64) []journal.Entry {
	t.Helper()
	var all []journal.Entry
	var prev journal.Sum
	for from := uint64(1); from <= end; from = uint64(len(all)) + 1 {
		got := mustRead(t, l, from, 100, 1<<20)
		if len(got) == 0 {
			t.Fatalf("read %d returned nothing", from)
		}
		for _, e := range got {
			if e.Seq != uint64(len(all))+1 || journal.Chain(h.Key, prev, &e) != e.Sum {
				t.Fatalf("entry %d does not follow entry %d", e.Seq, len(all))
			}
			prev = e.Sum
			all = append(all, e)
		}
	}
	return all
}

// testReaders has readers follow the log while others write it.
func testReaders(t *testing.T, h Harness) {
	l := open(t, h)
	const writers, each = 8, 150
	var wg sync.WaitGroup
	for c := range writers {
		wg.Go(func() {
			for i := range each {
				last, err := l.Append(callerRecord(c, i))
				if err == nil {
					err = l.Wait(context.Background(), last)
				}
				if err != nil {
					t.Errorf("writer: %v", err)
				}
			}
		})
	}
	for r := range 4 {
		wg.Go(func() {
			for from := uint64(1); from <= writers*each; {
				if err := l.Wait(context.Background(), from); err != nil {
					t.Errorf("reader: %v", err)
					return
				}
				got, err := l.Read(from, 1+r*20, 1<<16)
				if err != nil || len(got) == 0 || got[0].Seq != from {
					t.Errorf("reader at %d: %d entries, %v", from, len(got), err)
					return
				}
				from += uint64(len(got))
			}
		})
	}
	wg.Wait()
	readAll(t, h, l, writers*each)
}
