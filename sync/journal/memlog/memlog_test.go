package memlog_test

import (
	"context"
	"errors"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/memlog"
)

func TestConformance(t *testing.T) {
	logtest.Run(t, func(*testing.T, uint64) logtest.Harness {
		key := []byte("chain key")
		l := memlog.New(memlog.Options{Epoch: 9, Key: key})
		return logtest.Harness{
			Epoch: 9, Key: key, MaxBody: journal.MaxBody,
			Open: func() (journal.Log, error) {
				l = l.Crash()
				return l, nil
			},
			PowerCut: func() { l.Crash() },
			Hold:     func() func() { return l.Hold() },
			Fail:     func() { l.Fail(errors.New("disk error")) },
		}
	})
}

func TestFlushTo(t *testing.T) {
	l := memlog.New(memlog.Options{Manual: true})
	if _, err := l.Append(make([]journal.Record, 5)...); err != nil {
		t.Fatal(err)
	}
	if got := l.Durable().Seq; got != 0 {
		t.Errorf("durable is %d before a flush", got)
	}
	if err := l.FlushTo(3); err != nil {
		t.Fatal(err)
	}
	if err := l.FlushTo(2); err != nil {
		t.Fatal(err)
	}
	if got := l.Durable().Seq; got != 3 {
		t.Errorf("durable is %d, want 3", got)
	}
	if got := l.Crash().End(); got != 3 {
		t.Errorf("a crash left %d entries, want 3", got)
	}
}

func TestLimit(t *testing.T) {
	l := memlog.New(memlog.Options{Limit: 5, Reserve: 2})
	if _, err := l.Append(make([]journal.Record, 4)...); !errors.Is(err, journal.ErrFull) {
		t.Errorf("append beyond the limit: %v", err)
	}
	if _, err := l.Append(make([]journal.Record, 3)...); err != nil {
		t.Errorf("append up to the limit: %v", err)
	}
	if _, err := l.Append(journal.Record{}); !errors.Is(err, journal.ErrFull) {
		t.Errorf("append into the reserve: %v", err)
	}
	if last, err := l.AppendReserve(make([]journal.Record, 2)...); err != nil || last != 5 {
		t.Errorf("append from the reserve: %d, %v", last, err)
	}
	if _, err := l.AppendReserve(journal.Record{}); !errors.Is(err, journal.ErrFull) {
		t.Errorf("append beyond the reserve: %v", err)
	}
}

func TestTrim(t *testing.T) {
	l := memlog.New(memlog.Options{Epoch: 1, Key: []byte("k")})
	if _, err := l.Append(make([]journal.Record, 5)...); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Trim(4); n != 3 || err != nil {
		t.Errorf("trim: %d, %v", n, err)
	}
	if _, err := l.Read(3, 1, 1); !errors.Is(err, journal.ErrTrimmed) {
		t.Errorf("read of a trimmed entry: %v", err)
	}
	if got, err := l.Read(4, 10, 10); err != nil || len(got) != 2 || got[0].Seq != 4 {
		t.Errorf("read behind the trim: %v, %v", got, err)
	}
	if n, err := l.Trim(100); n != 1 || err != nil {
		t.Errorf("trim of everything removed %d, %v; the last entry stays", n, err)
	}
	l = l.Crash()
	if last, err := l.Append(journal.Record{}); last != 6 || err != nil {
		t.Errorf("append: %d, %v", last, err)
	}
	if err := l.Wait(context.Background(), 6); err != nil {
		t.Error(err)
	}
}
