package logtest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"yipiao/sync/journal/seglog"
)

// SectorSize is what a power cut writes whole or not at all, in bytes.
const SectorSize = 512

// Disk is a file system in memory with a power switch. What is written is seen at once and is safe
// only after a sync, as on a real disk behind a page cache; names are safe only after SyncDir. All
// methods are safe for concurrent use.
type Disk struct {
	seed uint64

	mu      sync.Mutex        // guards the fields below and all inodes
	names   map[string]*inode // as programs see them
	saved   map[string]*inode // as a power cut leaves them
	changes []change          // of names, not safe yet
	locks   map[string]int    // life that holds it
	life    int               // of the programs: handles of an earlier life are dead
	dead    chan struct{}     // closed when this life ends
	cuts    int               // power cuts so far
	off     bool              // the power is off until PowerCut
	left    int               // operations until the power goes off; -1 = never
	ops     int               // operations that change something, so far
	size    int64             // bytes that fit
	lie     bool              // Free does not know about size
	rules   []*Rule
	swallow Op
	hold    chan struct{} // not nil while syncs of segments wait
}

// mount is a Disk as one life of the programs sees it.
type mount struct {
	*Disk
	life int
}

var _ seglog.FS = mount{}

// Mount returns the file layer for a program that starts now. It is dead after Kill or PowerCut.
func (d *Disk) Mount() seglog.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return mount{Disk: d, life: d.life}
}

// inode is a file: what programs see, what is safe, and the writes between them.
type inode struct {
	name    string
	data    []byte
	saved   []byte
	pending []pending
}

// pending is a write that is not safe yet. A failed sync dooms it: no later sync makes it safe.
type pending struct {
	off    int64
	data   []byte
	doomed bool
}

// change is what one operation does to names, all or none of it; nil removes.
type change map[string]*inode

// NewDisk returns an empty disk of size bytes. All its chances follow from seed.
func NewDisk(seed uint64, size int64) *Disk {
	return &Disk{
		seed: seed, size: size, left: -1, dead: make(chan struct{}),
		names: map[string]*inode{}, saved: map[string]*inode{}, locks: map[string]int{},
	}
}

// begin takes mu and says why an operation cannot happen. The caller unlocks either way.
func (d mount) begin(op Op, name string) error {
	d.mu.Lock()
	return d.check(op, name, d.life)
}

// begin is mount's.
func (h *handle) begin(op Op) error {
	h.d.mu.Lock()
	return h.d.check(op, h.n.name, h.life)
}

// check says why an operation cannot happen. mu is held.
func (d *Disk) check(op Op, name string, life int) error {
	if d.off || life != d.life {
		return ErrPowerCut
	}
	if op != OpRead {
		d.ops++
		if d.left == 0 {
			d.off = true
			return errStruck
		}
		if d.left > 0 {
			d.left--
		}
	}
	return d.injected(op, name)
}

// MkdirAll is seglog.FS's. Directories need no making here.
func (d mount) MkdirAll(string) error { return nil }

// Create is seglog.FS's.
func (d mount) Create(name string) (seglog.File, error) {
	err := d.begin(OpCreate, name)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, fmt.Errorf("create %s: %w", name, fs.ErrExist)
	}
	n := &inode{name: name}
	d.apply(change{name: n})
	return &handle{d: d.Disk, n: n, life: d.life}, nil
}

// Open is seglog.FS's.
func (d mount) Open(name string) (seglog.File, error) {
	err := d.begin(OpRead, name)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n := d.names[name]
	if n == nil {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return &handle{d: d.Disk, n: n, life: d.life}, nil
}

// Remove is seglog.FS's.
func (d mount) Remove(name string) error {
	err := d.begin(OpRemove, name)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	if d.names[name] == nil {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	d.apply(change{name: nil})
	return nil
}

// Rename is seglog.FS's.
func (d mount) Rename(from, to string) error {
	err := d.begin(OpRename, from)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	n := d.names[from]
	if n == nil {
		return fmt.Errorf("rename %s: %w", from, fs.ErrNotExist)
	}
	n.name = to
	d.apply(change{from: nil, to: n})
	return nil
}

func (d *Disk) apply(c change) {
	c.to(d.names)
	d.changes = append(d.changes, c)
}

func (c change) to(names map[string]*inode) {
	for name, n := range c {
		if n == nil {
			delete(names, name)
		} else {
			names[name] = n
		}
	}
}

// List is seglog.FS's.
func (d mount) List(dir string) ([]string, error) {
	err := d.begin(OpRead, dir)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range d.names {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

// SyncDir is seglog.FS's.
func (d mount) SyncDir(dir string) error {
	err := d.begin(OpSyncDir, dir)
	defer d.mu.Unlock()
	if err != nil || d.swallow == OpSyncDir {
		return err
	}
	for _, c := range d.changes {
		c.to(d.saved)
	}
	d.changes = nil
	return nil
}

// Lock is seglog.FS's.
func (d mount) Lock(dir string) (io.Closer, error) {
	err := d.begin(OpRead, dir)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if life, held := d.locks[dir]; held && life == d.life {
		return nil, fmt.Errorf("%w: %s", seglog.ErrLocked, dir)
	}
	d.locks[dir] = d.life
	return &unlocker{d: d.Disk, dir: dir, life: d.life}, nil
}

type unlocker struct {
	d    *Disk
	dir  string
	life int
}

func (u *unlocker) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if u.d.locks[u.dir] == u.life {
		delete(u.d.locks, u.dir)
	}
	return nil
}

// Free is seglog.FS's.
func (d mount) Free(dir string) (int64, error) {
	err := d.begin(OpFree, dir)
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if d.lie {
		return 1 << 40, nil
	}
	return d.size - d.used(), nil
}

func (d *Disk) used() int64 {
	var n int64
	for _, f := range d.names {
		n += int64(len(f.data))
	}
	return n
}

// handle is an open file.
type handle struct {
	d    *Disk
	n    *inode
	life int
}

func (h *handle) Close() error { return nil }

func (h *handle) Size() (int64, error) {
	err := h.begin(OpRead)
	defer h.d.mu.Unlock()
	return int64(len(h.n.data)), err
}

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	err := h.begin(OpRead)
	defer h.d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.n.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes what fits. When the power goes off or a fault strikes, a part of it is still written.
func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	d := h.d
	err := h.begin(OpWrite)
	defer d.mu.Unlock()
	if errors.Is(err, ErrPowerCut) && !errors.Is(err, errStruck) {
		return 0, err
	}
	n := len(b)
	if err != nil {
		n = int(d.chance("short", uint64(d.ops), uint64(off)).Uint64N(uint64(len(b) + 1)))
	}
	if grow := off + int64(n) - int64(len(h.n.data)); grow > 0 && grow > d.size-d.used() {
		n, err = int(int64(n)-grow+max(0, d.size-d.used())), syscall.ENOSPC
		n = max(0, n)
	}
	if n > 0 {
		data := append([]byte(nil), b[:n]...)
		h.n.data = patch(h.n.data, data, off)
		h.n.pending = append(h.n.pending, pending{off: off, data: data})
	}
	return n, err
}

func (h *handle) Sync() error     { return h.sync(OpSync) }
func (h *handle) Datasync() error { return h.sync(OpDatasync) }

func (h *handle) sync(op Op) error {
	d := h.d
	d.waitHeld(h.n)
	err := h.begin(op)
	defer d.mu.Unlock()
	if errors.Is(err, ErrPowerCut) {
		return err
	}
	if err != nil {
		for i := range h.n.pending {
			h.n.pending[i].doomed = true
		}
		return err
	}
	if d.swallow == op {
		return nil
	}
	kept := h.n.pending[:0]
	for _, p := range h.n.pending {
		if p.doomed {
			kept = append(kept, p)
			continue
		}
		h.n.saved = patch(h.n.saved, p.data, p.off)
	}
	h.n.pending = kept
	return nil
}

// waitHeld waits while syncs of segments are held.
func (d *Disk) waitHeld(n *inode) {
	d.mu.Lock()
	hold, dead, seg := d.hold, d.dead, strings.HasSuffix(n.name, ".seg")
	d.mu.Unlock()
	if hold == nil || !seg {
		return
	}
	select {
	case <-hold:
	case <-dead:
	}
}

// patch writes b into file at off, making it longer where needed.
func patch(file, b []byte, off int64) []byte {
	if end := off + int64(len(b)); end > int64(len(file)) {
		file = append(file, make([]byte, end-int64(len(file)))...)
	}
	copy(file[off:], b)
	return file
}
