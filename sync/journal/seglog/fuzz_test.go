package seglog_test

import (
	"bytes"
	"errors"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

const exampleEpoch = 0x1122334455667788 // of the documented segment

// FuzzSegment puts arbitrary bytes over a real segment. Open must not panic; what it returns must
// be a prefix of what was written, because the chain cannot be met by chance, even where fix makes
// all CRCs right; and having opened once, the log must open cleanly with the same end.
func FuzzSegment(f *testing.F) {
	seg := exampleSegment(f)
	f.Add(0, []byte(nil), false)
	f.Add(headerSize, []byte{0, 0, 0, 0}, false)
	f.Add(headerSize+64, seg[headerSize:headerSize+64], false)
	f.Add(headerSize+176, seg[headerSize+64:headerSize+176], false)
	f.Add(startOff, make([]byte, 36), false)
	f.Add(0x4a0, bytes.Repeat([]byte{0xff}, 2000), true)
	f.Add(headerSize+16, []byte{1}, true)
	f.Add(headerSize+64+29, []byte{9}, true)
	f.Fuzz(func(t *testing.T, off int, patch []byte, fix bool) {
		if off < 0 || off > len(seg) {
			return
		}
		spoilt := bytes.Clone(seg)
		copy(spoilt[off:], patch)
		if fix {
			seglog.FixRecords(spoilt[headerSize:], exampleEpoch)
		}
		for _, allow := range []bool{false, true} {
			d := logtest.NewDisk(1, 64<<20)
			d.Put(segFile(1), spoilt)
			cfg := exampleConfig(t, d)
			cfg.AllowDamaged = allow
			l, report, err := seglog.Open(cfg)
			if err != nil {
				if !errors.Is(err, seglog.ErrDamaged) && !errors.Is(err, seglog.ErrEpoch) && !seglog.IsVersionError(err) {
					t.Fatalf("open: %v", err)
				}
				continue
			}
			checkPrefix(t, l)
			end := l.End()
			mustClose(t, l)
			l, again, err := seglog.Open(exampleConfig(t, d))
			if err != nil || !again.Clean() || l.End() != end {
				t.Fatalf("opened with %s, then again with %s, %v", report, again, err)
			}
			mustClose(t, l)
		}
	})
}

func checkPrefix(t *testing.T, l *seglog.Log) {
	t.Helper()
	got, err := l.Read(1, 100, 1<<20)
	if err != nil || uint64(len(got)) != l.End() || len(got) > 3 {
		t.Fatalf("read %d entries of %d, %v", len(got), l.End(), err)
	}
	for i, e := range got {
		if want := exampleRecords()[i]; !bytes.Equal(e.Body, want.Body) || e.Kind != want.Kind || e.TimeMs != want.TimeMs {
			t.Fatalf("entry %d is %+v", e.Seq, e)
		}
	}
}

// FuzzRecord decodes arbitrary bytes as a record and puts what it got together again.
func FuzzRecord(f *testing.F) {
	seg := exampleSegment(f)
	f.Add(seg[headerSize:headerSize+64], uint64(exampleEpoch))
	f.Add(seg[0x480:0x4b0], uint64(exampleEpoch))
	f.Add([]byte{0x30}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, epoch uint64) {
		if len(b) >= recordHead {
			b = bytes.Clone(b)
			seglog.FixRecords(b, epoch)
		}
		size, e, ok := seglog.DecodeRecord(b, epoch)
		if !ok {
			return
		}
		if size > len(b) || size%8 != 0 || len(e.Body) > journal.MaxBody {
			t.Fatalf("a record of %d bytes from %d", size, len(b))
		}
		if again := seglog.EncodeRecord(e, b[29:32], epoch); !bytes.Equal(again[:4], b[:4]) || !bytes.Equal(again[8:48+len(e.Body)], b[8:48+len(e.Body)]) {
			t.Fatalf("% x decodes to %+v, which encodes to % x", b[:size], e, again)
		}
	})
}
