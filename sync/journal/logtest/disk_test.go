package logtest_test

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

const file = "dir/file.seg"

func create(t *testing.T, d *logtest.Disk) seglog.File {
	t.Helper()
	fs := d.Mount()
	f, err := fs.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.SyncDir("dir"); err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f seglog.File, b byte, off int64, n int) {
	t.Helper()
	if _, err := f.WriteAt(bytes.Repeat([]byte{b}, n), off); err != nil {
		t.Fatal(err)
	}
}

// TestPowerCutLosesOnlyWhatIsNotSynced: synced bytes stay, every sector of the others is there or
// not, and over many seeds nothing, everything, beginnings and middles are seen.
func TestPowerCutLosesOnlyWhatIsNotSynced(t *testing.T) {
	const sectors = 4
	seen := map[string]bool{}
	for seed := range uint64(300) {
		d := logtest.NewDisk(seed, 1<<20)
		f := create(t, d)
		write(t, f, 'a', 0, sectors*logtest.SectorSize)
		if err := f.Datasync(); err != nil {
			t.Fatal(err)
		}
		write(t, f, 'b', 0, sectors*logtest.SectorSize)
		d.PowerCut()
		if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, logtest.ErrPowerCut) {
			t.Fatalf("write through a dead handle: %v", err)
		}
		got := d.Bytes(file)
		pattern := ""
		for i := range sectors {
			s := got[i*logtest.SectorSize : (i+1)*logtest.SectorSize]
			if bytes.Count(s, s[:1]) != len(s) {
				t.Fatalf("seed %d: sector %d is torn", seed, i)
			}
			pattern += string(s[0])
		}
		seen[pattern] = true
	}
	for _, pattern := range []string{"aaaa", "bbbb", "bbaa", "aabb", "baba", "abba"} {
		if !seen[pattern] {
			t.Errorf("%s was never left", pattern)
		}
	}
}

// TestPowerCutIsReproducible: the same seed and operations leave the same bytes.
func TestPowerCutIsReproducible(t *testing.T) {
	left := func(seed uint64) []byte {
		d := logtest.NewDisk(seed, 1<<20)
		f := create(t, d)
		for i := range 20 {
			write(t, f, byte(i+1), int64(i*700), 900)
		}
		d.PowerCut()
		return d.Bytes(file)
	}
	different := false
	for seed := range uint64(10) {
		if !bytes.Equal(left(seed), left(seed)) {
			t.Errorf("seed %d leaves two different files", seed)
		}
		different = different || !bytes.Equal(left(seed), left(seed+1))
	}
	if !different {
		t.Error("all seeds leave the same file")
	}
}

// TestNamesNeedSyncDir: a name that the directory was not synced for may be lost.
func TestNamesNeedSyncDir(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(50) {
		d := logtest.NewDisk(seed, 1<<20)
		if _, err := d.Mount().Create(file); err != nil {
			t.Fatal(err)
		}
		d.PowerCut()
		if names, err := d.Mount().List("dir"); err != nil {
			t.Fatal(err)
		} else if len(names) == 0 {
			lost++
		} else {
			kept++
		}
	}
	if lost == 0 || kept == 0 {
		t.Errorf("lost %d times, kept %d times", lost, kept)
	}
}

// TestFailedSyncStaysFailed: what a failed sync should have made safe is not made safe by the next.
func TestFailedSyncStaysFailed(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		d := logtest.NewDisk(seed, 1<<20)
		f := create(t, d)
		write(t, f, 'a', 0, 10)
		d.Fail(logtest.Rule{Op: logtest.OpDatasync, Times: 1, Err: syscall.EIO})
		if err := f.Datasync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("sync: %v", err)
		}
		if err := f.Datasync(); err != nil {
			t.Fatalf("second sync: %v", err)
		}
		d.PowerCut()
		if len(d.Bytes(file)) == 0 {
			lost++
		}
	}
	if lost == 0 {
		t.Error("never lost")
	}
}

// TestKillKeepsThePageCache: when only the program dies, what it wrote is still there, and a later
// sync makes it safe.
func TestKillKeepsThePageCache(t *testing.T) {
	for seed := range uint64(20) {
		d := logtest.NewDisk(seed, 1<<20)
		write(t, create(t, d), 'a', 0, 2000)
		d.Kill()
		f, err := d.Mount().Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		d.PowerCut()
		if n := len(d.Bytes(file)); n != 2000 {
			t.Fatalf("seed %d: %d bytes are left", seed, n)
		}
	}
}

// TestFullDisk writes what fits and says so.
func TestFullDisk(t *testing.T) {
	d := logtest.NewDisk(1, 1000)
	f := create(t, d)
	write(t, f, 'a', 0, 600)
	n, err := f.WriteAt(make([]byte, 600), 600)
	if n != 400 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v; want 400 and ENOSPC", n, err)
	}
	write(t, f, 'b', 0, 1000) // what is there can be written again
	if free, err := d.Mount().Free("dir"); free != 0 || err != nil {
		t.Errorf("free: %d, %v", free, err)
	}
}

// TestOffAfter counts the operations that change something.
func TestOffAfter(t *testing.T) {
	d := logtest.NewDisk(1, 1<<20)
	f := create(t, d)
	d.OffAfter(2)
	write(t, f, 'a', 0, 10)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 10), 10); !errors.Is(err, logtest.ErrPowerCut) || !d.Off() {
		t.Errorf("third operation: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, logtest.ErrPowerCut) {
		t.Errorf("sync without power: %v", err)
	}
	d.PowerCut()
	if b := d.Bytes(file); d.Off() || !bytes.HasPrefix(b, []byte("aaaaaaaaaa")) {
		t.Errorf("%d bytes are left", len(b))
	}
}
