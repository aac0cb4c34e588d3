// Package index is the station's memory of a million tickets: rows of 64 bytes that never move, found
// through hash tables of slot numbers. Nothing in it is a pointer that the garbage collector has to
// walk, and nothing ever has to be merged. It knows no rule of tickets and reads no file.
//
// Two kinds of lock guard it. The index's own lock guards the tables and which slots are used; it is
// taken and released inside the methods. The row lock (Lock, Unlock) guards the fields of a row and is
// the caller's. The order is row lock first: a method of Index may be called while a row lock is held,
// but nobody takes a second row lock while holding one, since different rows may share a mutex.
package index

import (
	"iter"
	"sync"
	"sync/atomic"

	"yipiao/sync/ticket"
)

const (
	chunkBits = 12
	chunkRows = 1 << chunkBits
	rowSize   = 64
	stripes   = 1024 // a power of two
)

type chunk [chunkRows]Row

// stripe is alone in its cache line, so that lanes on different cores do not slow each other.
type stripe struct {
	sync.Mutex
	_ [56]byte
}

// A Key is a property that finds tickets, of which the index keeps a fingerprint only.
type Key uint8

// Keys.
const (
	KeyDocument Key = iota // hash of the holder's document number
	KeyChip                // hash of the RFID chip
	KeyPickup              // hash of the pickup code
	keys
)

// An Index holds the rows of all tickets. All methods are safe for concurrent use.
type Index struct {
	Lanes    Names    // numbers of Row.Lane
	Sessions Sessions // numbers of Row.Session

	mu    sync.RWMutex
	dir   atomic.Pointer[[]*chunk] // replaced when a chunk is added
	next  Slot                     // lowest slot never used
	free  []Slot                   // slots used before, their rows zero
	ids   slotTable
	creds slotTable
	links [keys]keyTable
	locks [stripes]stripe
}

// New returns an empty index.
func New() *Index {
	x := &Index{next: 1}
	x.dir.Store(new([]*chunk))
	return x
}

// Lock takes the row lock of a slot. The slot need not be used any more: see Slot.
func (x *Index) Lock(s Slot) { x.locks[s%stripes].Lock() }

// Unlock releases the row lock of a slot.
func (x *Index) Unlock(s Slot) { x.locks[s%stripes].Unlock() }

// Row is the row of a slot, nil for slot 0. The address stays valid for ever, but the row is that of
// the ticket only until Remove.
func (x *Index) Row(s Slot) *Row {
	if s == 0 {
		return nil
	}
	return &(*x.dir.Load())[s>>chunkBits][s%chunkRows]
}

// Find is the slot of a ticket, 0 for none.
func (x *Index) Find(id ticket.TicketID) Slot {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.find(id)
}

func (x *Index) find(id ticket.TicketID) Slot {
	return x.ids.find(mixID(id), func(s Slot) bool { return x.Row(s).ID == id })
}

// FindCredential is the slot of the ticket whose current credential has exactly this hash, 0 for none
// and for the zero hash. Of several such tickets it is any one.
func (x *Index) FindCredential(h ticket.Hash) Slot {
	if h == (ticket.Hash{}) {
		return 0
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.creds.find(mixHash(h), func(s Slot) bool { return x.Row(s).CredHash == h })
}

// Candidates appends to dst the slots linked under a hash with the same 32-bit fingerprint, in no
// order, and returns it. The caller compares the full hash, which the catalogue has. It does not
// allocate if dst has room.
func (x *Index) Candidates(k Key, h ticket.Hash, dst []Slot) []Slot {
	if h == (ticket.Hash{}) {
		return dst
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.links[k].candidates(fingerprint(h), dst)
}

// Obtain is the slot of a ticket, which gets a row if it has none; fresh says that it got one, with
// every field but ID zero. Id 0 has no row: the slot is 0.
func (x *Index) Obtain(id ticket.TicketID) (s Slot, fresh bool) {
	if id == 0 {
		return 0, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if s = x.find(id); s != 0 {
		return s, false
	}
	if s = x.reuse(id); s == 0 {
		s = x.extend()
		x.Row(s).ID = id
	}
	x.ids.insert(mixID(id), s, x.idMix)
	return s, true
}

// reuse gives a slot of the free list to the ticket. Who still keeps the slot from its last ticket may
// be reading the row's ID under the row lock, so that lock is needed too; waiting for it here would be
// against the order of locks, and if it is taken, another slot does as well: 0 is returned.
func (x *Index) reuse(id ticket.TicketID) Slot {
	if len(x.free) == 0 {
		return 0
	}
	s := x.free[len(x.free)-1]
	if !x.locks[s%stripes].TryLock() {
		return 0
	}
	x.Row(s).ID = id
	x.Unlock(s)
	x.free = x.free[:len(x.free)-1]
	return s
}

// extend is a slot that was never used.
func (x *Index) extend() Slot {
	s := x.next
	if s == 0 {
		panic("index: 4,294,967,295 rows") // 256 GiB
	}
	x.next++
	if dir := *x.dir.Load(); int(s>>chunkBits) == len(dir) {
		longer := append(dir[:len(dir):len(dir)], new(chunk))
		x.dir.Store(&longer)
	}
	return s
}

func (x *Index) idMix(s Slot) uint64   { return mixID(x.Row(s).ID) }
func (x *Index) credMix(s Slot) uint64 { return mixHash(x.Row(s).CredHash) }

// SetCredential stores the hash of the ticket's current credential, by which FindCredential finds it;
// the zero hash stands for none. The caller holds the row lock.
func (x *Index) SetCredential(s Slot, h ticket.Hash) {
	r := x.Row(s)
	if r.CredHash == h {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropCredential(s, r)
	if r.CredHash = h; h != (ticket.Hash{}) {
		x.creds.insert(mixHash(h), s, x.credMix)
	}
}

func (x *Index) dropCredential(s Slot, r *Row) {
	if r.CredHash != (ticket.Hash{}) {
		x.creds.remove(mixHash(r.CredHash), s, x.credMix)
	}
}

// Link makes Candidates find the slot under a hash. Linking twice is linking once, and so is linking
// a slot under two hashes with one fingerprint; the zero hash is ignored. The caller holds the row
// lock, so that the row is not removed in between.
func (x *Index) Link(k Key, h ticket.Hash, s Slot) {
	if h == (ticket.Hash{}) || s == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.links[k].insert(entry(fingerprint(h), s))
}

// Unlink undoes Link. It does nothing if the slot is not linked under the hash.
func (x *Index) Unlink(k Key, h ticket.Hash, s Slot) {
	if h == (ticket.Hash{}) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.links[k].remove(entry(fingerprint(h), s))
}

// Remove forgets the row and its credential and frees the slot. The caller has unlinked its keys and
// holds the row lock. A slot that is not used is left alone.
func (x *Index) Remove(s Slot) {
	r := x.Row(s)
	if r == nil || r.ID == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropCredential(s, r)
	x.ids.remove(mixID(r.ID), s, x.idMix)
	*r = Row{}
	x.free = append(x.free, s)
}

// Len is the number of rows in use.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int(x.next) - 1 - len(x.free)
}

// Bytes is the memory of slab, tables and locks, in bytes. Neither shrinks when rows are removed.
func (x *Index) Bytes() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := int64(len(*x.dir.Load()))*(chunkRows*rowSize+8) + int64(cap(x.free))*4 + stripes*64
	n += x.ids.bytes() + x.creds.bytes()
	for k := range x.links {
		n += x.links[k].bytes()
	}
	return n
}

// All iterates over the used slots in slab order. No lock is held while the loop's body runs, which
// may call anything. A slot used from before the first step until after the last is yielded exactly
// once; one that is taken or removed meanwhile may be yielded or not, once at most, and may hold no
// ticket or another one by the time the body locks it.
func (x *Index) All() iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		x.mu.RLock()
		end := x.next
		x.mu.RUnlock()
		var buf [256]Slot
		for from := Slot(1); from < end; {
			var got []Slot
			got, from = x.used(buf[:0], from, end)
			for _, s := range got {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// used appends to dst, as far as it has room, the used slots from from on, and returns where to go on.
func (x *Index) used(dst []Slot, from, end Slot) ([]Slot, Slot) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for n := 0; from < end && len(dst) < cap(dst) && n < chunkRows; n++ {
		if x.Row(from).ID != 0 {
			dst = append(dst, from)
		}
		from++
	}
	return dst, from
}
