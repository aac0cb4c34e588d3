package logtest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// ErrPowerCut is what a Disk answers when the power is off, and to handles of an earlier life.
var ErrPowerCut = errors.New("logtest: power is off")

// errStruck is what the operation gets during which the power goes off: it may still have an effect.
var errStruck = fmt.Errorf("%w during the operation", ErrPowerCut)

// Op is a kind of operation of a Disk.
type Op int

// The operations that faults can name. OpRead stands for everything that changes nothing.
const (
	OpRead Op = iota + 1
	OpWrite
	OpSync
	OpDatasync
	OpCreate
	OpRemove
	OpRename
	OpSyncDir
	OpFree
)

// Rule makes operations fail. A failing write still writes a part (a short write); a failing sync
// dooms what it should have made safe: no later sync helps, as on Linux.
type Rule struct {
	Op     Op
	Suffix string // of the file's name at that time; "" = any
	Skip   int    // so many matching operations succeed first
	Times  int    // so many then fail; 0 = all
	Err    error  // for example syscall.EIO
}

// Fail adds a rule.
func (d *Disk) Fail(r Rule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Times == 0 {
		r.Times = -1
	}
	d.rules = append(d.rules, &r)
}

// Heal removes all rules.
func (d *Disk) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = nil
}

// injected returns the error of the first rule that strikes. mu is held.
func (d *Disk) injected(op Op, name string) error {
	for _, r := range d.rules {
		if r.Op != op || !strings.HasSuffix(name, r.Suffix) || r.Times == 0 {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Times > 0 {
			r.Times--
		}
		return r.Err
	}
	return nil
}

// Swallow makes all operations of one kind (OpSync, OpDatasync or OpSyncDir) do nothing and report
// success: a disk that lies, or a program that forgot to sync.
func (d *Disk) Swallow(op Op) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.swallow = op
}

// Resize changes how many bytes fit. With lie, Free does not show it and only writing finds out.
func (d *Disk) Resize(size int64, lie bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size, d.lie = size, lie
}

// Used returns the bytes in files.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used()
}

// Hold makes syncs of segments wait until release is called or the power is cut: what is appended
// meanwhile is not durable.
func (d *Disk) Hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hold := make(chan struct{})
	d.hold = hold
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.hold == hold {
			close(hold)
			d.hold = nil
		}
	}
}

// OffAfter switches the power off in the middle of the operation after the next n that change something.
// PowerCut then settles what is left.
func (d *Disk) OffAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = n
}

// Off reports whether OffAfter has struck.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// Kill ends all programs that use the disk; the page cache lives on.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newLife()
}

func (d *Disk) newLife() {
	d.life++
	close(d.dead)
	d.dead = make(chan struct{})
	d.hold, d.off, d.left = nil, false, -1
}

// PowerCut ends all programs and settles what was not synced: of every write each sector may be
// there or not, whatever was written after it, and of the changes of names likewise each.
func (d *Disk) PowerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newLife()
	d.cuts++
	for i, c := range d.changes {
		if d.chance("names", uint64(d.cuts), uint64(i)).IntN(2) == 0 {
			c.to(d.saved)
		}
	}
	d.changes = nil
	for _, name := range slices.Sorted(maps.Keys(d.saved)) {
		d.saved[name].settle(d.chance(name, uint64(d.cuts)))
		d.saved[name].name = name
	}
	d.names = maps.Clone(d.saved)
}

// How the writes to one file survive a power cut.
const (
	surviveNone   = iota
	survivePrefix // up to some sector
	surviveSome   // any sectors
	surviveMost   // all but a few sectors
	surviveAll
	surviveModes
)

// settle decides what of the pending writes is on the disk.
func (n *inode) settle(rng *rand.Rand) {
	mode := rng.IntN(surviveModes)
	total := 0
	for _, p := range n.pending {
		total += sectors(p)
	}
	limit := rng.IntN(total + 1)
	at := 0
	for _, p := range n.pending {
		for begin := int64(0); begin < int64(len(p.data)); {
			end := min(int64(len(p.data)), (p.off+begin)/SectorSize*SectorSize+SectorSize-p.off)
			keep := mode == surviveAll || mode == survivePrefix && at < limit ||
				mode == surviveSome && rng.IntN(2) == 0 || mode == surviveMost && rng.IntN(8) != 0
			if keep {
				n.saved = patch(n.saved, p.data[begin:end], p.off+begin)
			}
			begin = end
			at++
		}
	}
	n.pending = nil
	n.data = append([]byte(nil), n.saved...)
}

func sectors(p pending) int {
	first, last := p.off/SectorSize, (p.off+int64(len(p.data))-1)/SectorSize
	return int(last - first + 1)
}

// chance returns the randomness of one decision: it follows from the seed and from what is decided,
// not from which goroutine came first.
func (d *Disk) chance(what string, which ...uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(what))
	for _, w := range which {
		for range 8 {
			h.Write([]byte{byte(w)})
			w >>= 8
		}
	}
	return rand.New(rand.NewPCG(d.seed, h.Sum64()))
}

// Bytes returns a copy of a file as programs see it; nil if there is none.
func (d *Disk) Bytes(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.names[name]; n != nil {
		return append([]byte(nil), n.data...)
	}
	return nil
}

// Put replaces a file, safely, whatever is open: how a test changes bits or cuts a file short.
func (d *Disk) Put(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &inode{name: name, data: append([]byte(nil), data...), saved: append([]byte(nil), data...)}
	d.names[name], d.saved[name] = n, n
}
