package logtest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"yipiao/sync/journal"
)

// testCase is one promise of the contract.
type testCase struct {
	name  string
	needs func(Harness) bool
	run   func(t *testing.T, h Harness)
}

func cases() []testCase {
	holds := func(h Harness) bool { return h.Hold != nil }
	fails := func(h Harness) bool { return h.Fail != nil }
	return []testCase{
		{"AppendNumbersFromOne", nil, testNumbers},
		{"AppendCopiesBodies", nil, testCopies},
		{"AppendRefusesLargeBodyWhole", nil, testTooLarge},
		{"WaitMakesDurable", nil, testWait},
		{"WaitForWhatIsNotAppendedYet", nil, testWaitAhead},
		{"NothingIsDurableBeforeSync", holds, testHeld},
		{"WaitEndsWithItsContext", holds, testWaitCancelled},
		{"ReadKeepsItsLimits", nil, testReadLimits},
		{"ReadGivesWhatWasAppended", nil, testReadValues},
		{"CloseSyncsAndEndsEverything", nil, testClose},
		{"CloseEndsWaiting", nil, testCloseEndsWait},
		{"FailureIsForEver", fails, testFailed},
		{"ManyCallers", nil, testCallers},
		{"ReadersBesideWriters", nil, testReaders},
	}
}

func open(t *testing.T, h Harness) journal.Log {
	t.Helper()
	l, err := h.Open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func mustAppend(t *testing.T, l journal.Log, recs ...journal.Record) uint64 {
	t.Helper()
	last, err := l.Append(recs...)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return last
}

func mustWait(t *testing.T, l journal.Log, seq uint64) {
	t.Helper()
	if err := l.Wait(context.Background(), seq); err != nil {
		t.Fatalf("wait %d: %v", seq, err)
	}
}

func mustRead(t *testing.T, l journal.Log, from uint64, n, maxBytes int) []journal.Entry {
	t.Helper()
	got, err := l.Read(from, n, maxBytes)
	if err != nil {
		t.Fatalf("read %d: %v", from, err)
	}
	return got
}

func rec(kind journal.Kind, body string) journal.Record {
	return journal.Record{Kind: kind, TimeMs: 1_700_000_000_000 + int64(kind), OffsetMs: -int32(kind), Body: []byte(body)}
}

func testNumbers(t *testing.T, h Harness) {
	l := open(t, h)
	if got := l.End(); got != 0 {
		t.Errorf("end of an empty log is %d", got)
	}
	if got, want := l.Durable(), (journal.Pos{Epoch: h.Epoch}); got != want {
		t.Errorf("durable of an empty log is %v, want %v", got, want)
	}
	for _, c := range []struct {
		n    int
		last uint64
	}{{1, 1}, {3, 4}, {0, 4}, {1, 5}} {
		if got := mustAppend(t, l, make([]journal.Record, c.n)...); got != c.last {
			t.Errorf("append of %d records returned %d, want %d", c.n, got, c.last)
		}
		if got := l.End(); got != c.last {
			t.Errorf("end is %d, want %d", got, c.last)
		}
	}
}

func testCopies(t *testing.T, h Harness) {
	l := open(t, h)
	body := []byte("entry")
	seq := mustAppend(t, l, journal.Record{Body: body})
	copy(body, "wrong")
	mustWait(t, l, seq)
	for range 2 {
		e := mustRead(t, l, seq, 1, 100)
		if string(e[0].Body) != "entry" {
			t.Fatalf("body is %q", e[0].Body)
		}
		copy(e[0].Body, "wrong") // the reader's own
	}
}

func testTooLarge(t *testing.T, h Harness) {
	l := open(t, h)
	large := journal.Record{Body: make([]byte, h.MaxBody+1)}
	for _, recs := range [][]journal.Record{{large}, {rec(1, "a"), large}} {
		if _, err := l.Append(recs...); !errors.Is(err, journal.ErrTooLarge) {
			t.Errorf("append: %v, want ErrTooLarge", err)
		}
	}
	if got := l.End(); got != 0 {
		t.Errorf("end is %d after refused appends", got)
	}
	body := bytes.Repeat([]byte{7}, h.MaxBody)
	mustWait(t, l, mustAppend(t, l, journal.Record{Body: body}))
	if e := mustRead(t, l, 1, 1, 0); !bytes.Equal(e[0].Body, body) {
		t.Error("the largest body came back changed")
	}
}

func testWait(t *testing.T, h Harness) {
	l := open(t, h)
	var prev journal.Sum
	for i := range 20 {
		r := rec(journal.Kind(i), "body")
		seq := mustAppend(t, l, r)
		mustWait(t, l, seq)
		prev = journal.Chain(h.Key, prev, &journal.Entry{Epoch: h.Epoch, Seq: seq, Record: r})
		if got, want := l.Durable(), (journal.Pos{Epoch: h.Epoch, Seq: seq, Sum: prev}); got != want {
			t.Fatalf("durable is %v, want %v", got, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Wait(ctx, 3); err != nil {
		t.Errorf("wait for a durable entry with a cancelled context: %v", err)
	}
}

func testWaitAhead(t *testing.T, h Harness) {
	l := open(t, h)
	done := make(chan error, 1)
	go func() { done <- l.Wait(context.Background(), 3) }()
	for range 3 {
		select {
		case err := <-done:
			t.Fatalf("wait returned %v before the entry was appended", err)
		default:
		}
		mustWait(t, l, mustAppend(t, l, rec(1, "a")))
	}
	if err := <-done; err != nil {
		t.Errorf("wait: %v", err)
	}
}

func testHeld(t *testing.T, h Harness) {
	l := open(t, h)
	mustWait(t, l, mustAppend(t, l, rec(1, "before")))
	at := l.Durable()
	release := h.Hold()
	mustAppend(t, l, rec(2, "held"), rec(3, "held"))
	if got := l.End(); got != 3 {
		t.Errorf("end is %d, want 3", got)
	}
	if got := l.Durable(); got != at {
		t.Errorf("durable is %v while syncs are held, want %v", got, at)
	}
	if got := mustRead(t, l, 1, 10, 1000); len(got) != 1 {
		t.Errorf("read %d entries, 1 is durable", len(got))
	}
	if got := mustRead(t, l, 2, 10, 1000); len(got) != 0 {
		t.Errorf("read %d entries that are not durable", len(got))
	}
	release()
	mustWait(t, l, 3)
	if got := mustRead(t, l, 1, 10, 1000); len(got) != 3 {
		t.Errorf("read %d entries, want 3", len(got))
	}
}

func testWaitCancelled(t *testing.T, h Harness) {
	l := open(t, h)
	release := h.Hold()
	defer release()
	seq := mustAppend(t, l, rec(1, "held"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Wait(ctx, seq) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v, want the context's error", err)
	}
}

func testReadLimits(t *testing.T, h Harness) {
	l := open(t, h)
	for range 5 {
		mustAppend(t, l, rec(1, "0123456789"))
	}
	mustWait(t, l, 5)
	for _, c := range []struct {
		name        string
		from        uint64
		n, maxBytes int
		want        []uint64
	}{
		{"all", 1, 100, 1000, []uint64{1, 2, 3, 4, 5}},
		{"zero is the beginning", 0, 2, 1000, []uint64{1, 2}},
		{"number", 2, 3, 1000, []uint64{2, 3, 4}},
		{"bytes", 2, 100, 29, []uint64{2, 3}},
		{"bytes exactly", 2, 100, 30, []uint64{2, 3, 4}},
		{"at least one", 4, 100, 0, []uint64{4}},
		{"none asked", 1, 0, 1000, nil},
		{"last", 5, 100, 1000, []uint64{5}},
		{"behind the end", 6, 100, 1000, nil},
		{"far behind the end", 1 << 60, 100, 1000, nil},
	} {
		got := mustRead(t, l, c.from, c.n, c.maxBytes)
		if len(got) != len(c.want) {
			t.Errorf("%s: %d entries, want %d", c.name, len(got), len(c.want))
			continue
		}
		for i, e := range got {
			if e.Seq != c.want[i] {
				t.Errorf("%s: entry %d is %d, want %d", c.name, i, e.Seq, c.want[i])
			}
		}
	}
}

func testReadValues(t *testing.T, h Harness) {
	l := open(t, h)
	recs := []journal.Record{
		rec(1, "entry granted"),
		{},
		{Kind: 255, TimeMs: -1 << 63, OffsetMs: -1 << 31, Body: []byte{0}},
		{Kind: 128, TimeMs: 1<<63 - 1, OffsetMs: 1<<31 - 1, Body: bytes.Repeat([]byte{0xff}, 700)},
	}
	mustWait(t, l, mustAppend(t, l, recs...))
	var prev journal.Sum
	for i, e := range mustRead(t, l, 1, 10, 1<<20) {
		want := journal.Entry{Epoch: h.Epoch, Seq: uint64(i + 1), Record: recs[i]}
		want.Sum = journal.Chain(h.Key, prev, &want)
		if prev = want.Sum; !equal(&e, &want) {
			t.Errorf("entry %d is %+v, want %+v", i+1, e, want)
		}
	}
}
