package seglog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

// headerSize is where records begin, startOff where the start block lies (docs/formats/journal.md).
const (
	startOff   = 512
	headerSize = 1024
	recordHead = 48
)

func segFile(number uint64) string {
	return filepath.Join(testDir, fmt.Sprintf("%08d.seg", number))
}

func mustOpen(t testing.TB, cfg seglog.Config) (*seglog.Log, seglog.Report) {
	t.Helper()
	l, report, err := seglog.Open(cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, report
}

func mustClose(t testing.TB, l *seglog.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// put appends bodies one by one and waits for each, so that each is a batch of its own.
func put(t testing.TB, l *seglog.Log, bodies ...[]byte) {
	t.Helper()
	for _, body := range bodies {
		if err := appendWait(l, body); err != nil {
			t.Fatalf("append and wait: %v", err)
		}
	}
}

// many returns n bodies of size bytes that can be told apart.
func many(n, size int) [][]byte {
	bodies := make([][]byte, n)
	for i := range bodies {
		bodies[i] = bytes.Repeat([]byte{byte(i + 1)}, size)
	}
	return bodies
}

// readEverything reads from the oldest kept entry to the end and checks numbers and chain.
func readEverything(t testing.TB, l *seglog.Log) []journal.Entry {
	t.Helper()
	at, err := l.Verify(context.Background())
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if at != l.Durable() {
		t.Fatalf("verified up to %v, durable is %v", at, l.Durable())
	}
	first := l.Stats().First
	var all []journal.Entry
	for from := first; from <= at.Seq; from = first + uint64(len(all)) {
		got, err := l.Read(from, 1000, 1<<20)
		if err != nil {
			t.Fatalf("read %d: %v", from, err)
		}
		all = append(all, got...)
	}
	return all
}

// offsets returns where the records of a segment begin, and where the last one ends.
func offsets(t testing.TB, seg []byte) []int {
	t.Helper()
	at := []int{headerSize}
	for off := headerSize; off+recordHead <= len(seg); {
		n := int(binary.LittleEndian.Uint32(seg[off:]))
		if n == 0 {
			return at
		}
		off += (n + 7) &^ 7
		at = append(at, off)
	}
	return at
}

// written makes a log of the given bodies on a new disk, closes it, and returns the disk.
func written(t testing.TB, bodies ...[]byte) *logtest.Disk {
	t.Helper()
	d := logtest.NewDisk(1, 64<<20)
	l, _ := mustOpen(t, onDisk(d, chance(1)))
	put(t, l, bodies...)
	if _, err := l.CheckSpace(); err != nil { // so that all prepared segments are there
		t.Fatal(err)
	}
	mustClose(t, l)
	return d
}

// appendWait appends one body and waits for it. Where the next segment is not prepared yet it
// prepares it.
func appendWait(l *seglog.Log, body []byte) error {
	rec := journal.Record{Kind: 5, TimeMs: 1_750_000_000_000, OffsetMs: -20, Body: body}
	seq, err := l.Append(rec)
	if errors.Is(err, journal.ErrFull) {
		if _, err := l.CheckSpace(); err != nil {
			return err
		}
		seq, err = l.Append(rec)
	}
	if err != nil {
		return err
	}
	return l.Wait(context.Background(), seq)
}
