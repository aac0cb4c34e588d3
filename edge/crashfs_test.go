package edge

import (
	"bytes"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"yipiao/sync/journal/seglog"
)

// sector is what a disk writes as a whole.
const sector = 512

// lossyFiles is a file layer that behaves as a disk with a cache does when the power fails. What is
// written stays in the memory of this process until it is synced, and goes to the file then in
// sectors of 512 bytes in random order. So a SIGKILL loses what was not synced, and one during a sync
// leaves any selection of its sectors. Names (create, rename, remove) take effect at once;
// sync/journal/logtest has a disk that forgets these too.
type lossyFiles struct {
	seglog.FS
	rnd *rand.Rand // guarded by mu
	// lies lets Datasync say that it has synced, without having: the disk that no journal can survive.
	lies bool
	// cut, if set, is called when left sectors have been written: the power fails there.
	cut  func()
	left int // guarded by mu

	mu sync.Mutex
}

func (l *lossyFiles) Create(name string) (seglog.File, error) {
	f, err := l.FS.Create(name)
	return l.wrap(f, err)
}

func (l *lossyFiles) Open(name string) (seglog.File, error) {
	f, err := l.FS.Open(name)
	return l.wrap(f, err)
}

func (l *lossyFiles) wrap(f seglog.File, err error) (seglog.File, error) {
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	return &lossyFile{File: f, disk: l, size: size, cache: make(map[int64]*[sector]byte)}, err
}

// order is a random order of n things.
func (l *lossyFiles) order(n int) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rnd.Perm(n)
}

// count is told of every sector that goes to a file.
func (l *lossyFiles) count() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left--; l.left == 0 && l.cut != nil {
		l.cut()
	}
}

// lossyFile is a file with a cache of sectors that are not synced.
type lossyFile struct {
	seglog.File
	disk *lossyFiles

	mu    sync.Mutex
	size  int64 // as its reader sees it
	cache map[int64]*[sector]byte
}

func (f *lossyFile) Size() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size, nil
}

func (f *lossyFile) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for done := 0; done < len(p); {
		at := off + int64(done)
		s, err := f.sector(at / sector)
		if err != nil {
			return done, err
		}
		done += copy(s[at%sector:], p[done:])
	}
	f.size = max(f.size, off+int64(len(p)))
	return len(p), nil
}

// sector is the cached sector n, read from the file if it is not cached yet.
func (f *lossyFile) sector(n int64) (*[sector]byte, error) {
	if s, ok := f.cache[n]; ok {
		return s, nil
	}
	s := new([sector]byte)
	if _, err := f.File.ReadAt(s[:], n*sector); err != nil && err != io.EOF {
		return nil, err
	}
	f.cache[n] = s
	return s, nil
}

func (f *lossyFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= f.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), f.size-off)]
	clear(want)
	if _, err := f.File.ReadAt(want, off); err != nil && err != io.EOF {
		return 0, err
	}
	for n := off / sector; n*sector < off+int64(len(want)) && len(f.cache) > 0; n++ {
		s, ok := f.cache[n]
		switch {
		case !ok:
		case n*sector < off:
			copy(want, s[off-n*sector:])
		default:
			copy(want[n*sector-off:], s[:])
		}
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

func (f *lossyFile) Datasync() error {
	if f.disk.lies {
		return nil
	}
	return f.Sync()
}

// Sync does not call the operating system's: a SIGKILL does not lose what the kernel has.
func (f *lossyFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	numbers := make([]int64, 0, len(f.cache))
	for n := range f.cache {
		numbers = append(numbers, n)
	}
	for _, i := range f.disk.order(len(numbers)) {
		n := numbers[i]
		data := f.cache[n][:min(sector, f.size-n*sector)]
		if _, err := f.File.WriteAt(data, n*sector); err != nil {
			return err
		}
		f.disk.count()
	}
	clear(f.cache)
	return nil
}

// Close syncs, as an operating system would do sooner or later.
func (f *lossyFile) Close() error {
	err := f.Sync()
	if errClose := f.File.Close(); err == nil {
		err = errClose
	}
	return err
}

// TestLossyFiles: the writer reads what it has written, the disk has only what was synced, and a sync
// that is cut leaves a selection of its sectors.
func TestLossyFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.seg")
	disk := &lossyFiles{FS: seglog.OS(), rnd: rand.New(rand.NewPCG(1, 2)), left: 4}
	f, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	real, err := seglog.OS().Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = real.Close() }()
	want := bytes.Repeat([]byte("yipiao"), 700) // crosses sectors
	if _, err := f.WriteAt(want, 100); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, 100); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("its writer reads something else: %v", err)
	}
	if n, _ := real.Size(); n != 0 {
		t.Fatalf("the disk has %d bytes before a sync", n)
	}
	left := 0
	disk.cut = func() {
		whole := make([]byte, 100+len(want))
		_, _ = real.ReadAt(whole, 0)
		for off := 0; off < len(whole); off += sector {
			if bytes.Equal(whole[off:min(off+sector, len(whole))], make([]byte, min(sector, len(whole)-off))) {
				left++
			}
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if left != 5 { // of 9 sectors
		t.Fatalf("%d sectors were missing when the power failed after 4 of 9", left)
	}
	if _, err := real.ReadAt(got, 100); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the disk has something else after a sync: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
