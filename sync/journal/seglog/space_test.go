package seglog_test

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

// lows collects what OnLow was told.
type lows struct {
	mu   sync.Mutex
	told []bool
}

func (l *lows) tell(low bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, low)
}

func (l *lows) last() (low, any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told) == 0 {
		return false, false
	}
	return l.told[len(l.told)-1], true
}

// fillUp appends until Append answers ErrFull for good and returns the last sequence number and at
// which one space was announced to be low.
func fillUp(t *testing.T, l *seglog.Log, body []byte, told *lows) (last, low uint64) {
	t.Helper()
	for {
		if _, err := l.CheckSpace(); err != nil {
			t.Fatalf("check space at %d: %v", last, err)
		}
		seq, err := l.Append(journal.Record{Body: body})
		if errors.Is(err, journal.ErrFull) {
			return last, low
		}
		if err == nil {
			err = l.Wait(context.Background(), seq)
		}
		if err != nil {
			t.Fatalf("append %d: %v", seq, err)
		}
		last = seq
		if is, _ := told.last(); is && low == 0 {
			low = seq
		}
	}
}

func smallLimit(d *logtest.Disk, told *lows) seglog.Config {
	cfg := onDisk(d, chance(1))
	cfg.MaxBytes = 8 * testSize
	cfg.LowBytes = 2 * testSize
	cfg.Reserve = 16 << 10
	cfg.OnLow = told.tell
	return cfg
}

// TestFull runs a log into its limit: announced early, then refused, the reserve still usable, and
// after a trim all is well again.
func TestFull(t *testing.T) {
	d, told := logtest.NewDisk(1, 64<<20), &lows{}
	l, _ := mustOpen(t, smallLimit(d, told))
	body := make([]byte, 1000)
	last, low := fillUp(t, l, body, told)
	if low == 0 || last-low < 100 {
		t.Errorf("low was announced at %d, full at %d", low, last)
	}
	s := l.Stats()
	if !s.Low || s.Free >= 2000 || s.Bytes != 8*testSize || s.End != last || s.Failed != nil {
		t.Errorf("stats of a full log: %+v", s)
	}
	reserved := 0
	for {
		seq, err := l.AppendReserve(journal.Record{Body: body})
		if errors.Is(err, journal.ErrFull) {
			break
		}
		if err == nil {
			err = l.Wait(context.Background(), seq)
		}
		if err != nil {
			t.Fatalf("append from the reserve: %v", err)
		}
		reserved++
	}
	if reserved < 12 || reserved > 17 {
		t.Errorf("the reserve of 16 KiB took %d records of 1 KiB", reserved)
	}
	if _, err := l.Trim(last / 2); err != nil {
		t.Fatal(err)
	}
	if s, err := l.CheckSpace(); err != nil || s.Low {
		t.Errorf("after a trim: %+v, %v", s, err)
	}
	if low, _ := told.last(); low {
		t.Error("nobody was told that space is no longer low")
	}
	put(t, l, body)
	readEverything(t, l)
}

// TestFullAfterRestart: a full log opens, still full, and can be trimmed.
func TestFullAfterRestart(t *testing.T) {
	d, told := logtest.NewDisk(1, 64<<20), &lows{}
	l, _ := mustOpen(t, smallLimit(d, told))
	body := make([]byte, 1000)
	last, _ := fillUp(t, l, body, told)
	mustClose(t, l)
	l, report := mustOpen(t, smallLimit(d, told))
	if !report.Clean() || l.End() != last || !l.Stats().Low {
		t.Fatalf("opened again: %s, %+v", report, l.Stats())
	}
	if _, err := l.Append(journal.Record{Body: make([]byte, 3000)}); !errors.Is(err, journal.ErrFull) {
		t.Errorf("append: %v, want ErrFull", err)
	}
	if n, err := l.Trim(last); err != nil || n == 0 {
		t.Errorf("trim: %d, %v", n, err)
	}
	put(t, l, body)
}

// TestDiskFull lets the disk really run full while Free says nothing of it: preparation fails, no
// commit does, and nothing acknowledged is lost.
func TestDiskFull(t *testing.T) {
	d := logtest.NewDisk(1, 64<<20)
	l, _ := mustOpen(t, onDisk(d, chance(1)))
	if _, err := l.CheckSpace(); err != nil {
		t.Fatal(err)
	}
	d.Resize(d.Used()+testSize/2, true)
	body := make([]byte, 1000)
	last := uint64(0)
	for {
		seq, err := l.Append(journal.Record{Body: body})
		if errors.Is(err, journal.ErrFull) {
			break
		}
		if err == nil {
			err = l.Wait(context.Background(), seq)
		}
		if err != nil {
			t.Fatalf("append %d: %v", seq, err)
		}
		last = seq
	}
	if _, err := l.CheckSpace(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("check space: %v, want the disk's error", err)
	}
	if _, err := l.Append(journal.Record{Body: make([]byte, 20_000)}); !errors.Is(err, journal.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("append: %v, want ErrFull and the disk's error", err)
	}
	if s := l.Stats(); s.Failed != nil || s.Durable != last {
		t.Errorf("stats: %+v", s)
	}
	d.Resize(64<<20, false)
	if _, err := l.CheckSpace(); err != nil {
		t.Errorf("check space after the disk has room again: %v", err)
	}
	put(t, l, make([]byte, 20_000))
	d.PowerCut()
	_ = l.Close()
	l, _ = mustOpen(t, onDisk(d, chance(2)))
	if all := readEverything(t, l); len(all) != int(last)+1 {
		t.Errorf("%d entries after a power cut, want %d", len(all), last+1)
	}
}

// TestOthersFillTheDisk: CheckSpace sees that somebody else has taken the space.
func TestOthersFillTheDisk(t *testing.T) {
	d, told := logtest.NewDisk(1, 64<<20), &lows{}
	cfg := onDisk(d, chance(1))
	cfg.OnLow = told.tell
	l, _ := mustOpen(t, cfg)
	if s, err := l.CheckSpace(); err != nil || s.Low {
		t.Fatalf("at first: %+v, %v", s, err)
	}
	d.Resize(d.Used()+10, false)
	if s, err := l.CheckSpace(); err != nil || !s.Low {
		t.Errorf("when the disk is full: %+v, %v", s, err)
	}
	if low, any := told.last(); !low || !any {
		t.Error("nobody was told")
	}
	put(t, l, []byte("prepared space can still be used"))
}

// TestNoRoomToBegin: a log that cannot make its first segment does not open.
func TestNoRoomToBegin(t *testing.T) {
	d := logtest.NewDisk(1, testSize)
	if _, _, err := seglog.Open(onDisk(d, chance(1))); !errors.Is(err, journal.ErrFull) {
		t.Errorf("open: %v, want ErrFull", err)
	}
	d.Resize(64<<20, false)
	mustOpen(t, onDisk(d, chance(1)))
}

// TestNeverAheadOfPreparedSpace: who appends without waiting is stopped before memory or disk run out.
func TestNeverAheadOfPreparedSpace(t *testing.T) {
	d := logtest.NewDisk(1, 64<<20)
	l, _ := mustOpen(t, onDisk(d, chance(1)))
	release := d.Hold()
	body := make([]byte, 1000)
	n := 0
	for ; ; n++ {
		if _, err := l.Append(journal.Record{Body: body}); errors.Is(err, journal.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if limit := 4 * testSize / 1000; n > limit || n < testSize/1000 {
		t.Errorf("%d records were taken while nothing was durable", n)
	}
	release()
	if err := l.Wait(context.Background(), uint64(n)); err != nil {
		t.Fatal(err)
	}
	put(t, l, body)
	if all := readEverything(t, l); len(all) != n+1 {
		t.Errorf("%d entries, want %d", len(all), n+1)
	}
}
