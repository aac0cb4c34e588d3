package index

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"yipiao/sync/ticket"
)

// The tables use open addressing with linear probing; a removal shifts what follows back, so that
// there are no tombstones. They are cut into shards by the high bits of a hash, so that growing one is
// short. A shard's length is any number, its places are found by multiplication.
const (
	shards   = 256
	minShard = 8
)

// mix is the finalizer of splitmix64: every bit of its argument changes every bit of the result with
// probability near one half.
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

func mixID(id ticket.TicketID) uint64 { return mix(uint64(id)) }

func mixHash(h ticket.Hash) uint64 {
	return mix(binary.LittleEndian.Uint64(h[:8]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(h[8:]), 32))
}

// full reports whether a shard of that length must grow to hold one more than n: 0.8 of it is the most.
func full(n, length int) bool { return (n+1)*5 > length*4 }

// places is a zeroed shard of at least n places, as many as its piece of memory holds.
func places[E uint32 | uint64](n int) []E {
	p := slices.Grow([]E(nil), n)
	p = p[:cap(p)]
	clear(p)
	return p
}

// shift empties place i of a shard and moves back what was pushed beyond its home by it.
func shift[E uint32 | uint64](e []E, i int, home func(E) int) {
	for j := i; ; {
		if j++; j == len(e) {
			j = 0
		}
		if e[j] == 0 {
			e[i] = 0
			return
		}
		if away(home(e[j]), j, len(e)) >= away(i, j, len(e)) {
			e[i], i = e[j], j
		}
	}
}

// away is how many steps place j lies behind place i in a shard of length n.
func away(i, j, n int) int {
	if j < i {
		return j + n - i
	}
	return j - i
}

// A slotTable holds slots; what they are found by is in their rows, so that an entry is 4 bytes.
type slotTable [shards]struct {
	e []uint32 // slots, 0 for an empty place
	n int
}

func slotHome(h uint64, n int) int { return int(uint64(uint32(h)) * uint64(n) >> 32) }

// find is the first slot under the hash h that matches, or 0.
func (t *slotTable) find(h uint64, match func(Slot) bool) Slot {
	e := t[h>>56].e
	if len(e) == 0 {
		return 0
	}
	for i := slotHome(h, len(e)); e[i] != 0; {
		if s := Slot(e[i]); match(s) {
			return s
		}
		if i++; i == len(e) {
			i = 0
		}
	}
	return 0
}

// insert adds a slot, which the table does not hold, under the hash h; hash is that of a held slot.
func (t *slotTable) insert(h uint64, s Slot, hash func(Slot) uint64) {
	sh := &t[h>>56]
	if full(sh.n, len(sh.e)) {
		old := sh.e
		sh.e = places[uint32](max(minShard, len(old)*3/2))
		for _, s := range old {
			if s != 0 {
				place(sh.e, s, slotHome(hash(Slot(s)), len(sh.e)))
			}
		}
	}
	place(sh.e, uint32(s), slotHome(h, len(sh.e)))
	sh.n++
}

// place puts an entry into the first empty place from i on.
func place[E uint32 | uint64](e []E, v E, i int) {
	for e[i] != 0 {
		if i++; i == len(e) {
			i = 0
		}
	}
	e[i] = v
}

// remove takes a slot out that was inserted under the hash h.
func (t *slotTable) remove(h uint64, s Slot, hash func(Slot) uint64) {
	sh := &t[h>>56]
	if i := seek(sh.e, uint32(s), slotHome(h, len(sh.e))); i >= 0 {
		shift(sh.e, i, func(s uint32) int { return slotHome(hash(Slot(s)), len(sh.e)) })
		sh.n--
	}
}

// seek is the place of an entry whose home is i, or -1.
func seek[E uint32 | uint64](e []E, v E, i int) int {
	if len(e) == 0 {
		return -1
	}
	for e[i] != 0 {
		if e[i] == v {
			return i
		}
		if i++; i == len(e) {
			i = 0
		}
	}
	return -1
}

func (t *slotTable) bytes() (n int64) {
	for i := range t {
		n += int64(len(t[i].e)) * 4
	}
	return n
}

// A keyTable holds fingerprints of hashes that are not in the rows, each with a slot.
type keyTable [shards]struct {
	e []uint64 // see entry; 0 for an empty place
	n int
}

func fingerprint(h ticket.Hash) uint32 { return uint32(mixHash(h) >> 32) }

func entry(fp uint32, s Slot) uint64 { return uint64(fp)<<32 | uint64(s) }

func keyHome(e uint64, n int) int { return int((e >> 32 & 0xffffff) * uint64(n) >> 24) }

func (t *keyTable) candidates(fp uint32, dst []Slot) []Slot {
	e := t[fp>>24].e
	if len(e) == 0 {
		return dst
	}
	for i := keyHome(entry(fp, 0), len(e)); e[i] != 0; {
		if uint32(e[i]>>32) == fp {
			dst = append(dst, Slot(e[i]))
		}
		if i++; i == len(e) {
			i = 0
		}
	}
	return dst
}

// insert adds an entry unless the table holds it. A full shard grows by a fifth only: moving entries
// that hold their fingerprint is cheap, and a key must not cost more than 12 bytes.
func (t *keyTable) insert(v uint64) {
	sh := &t[v>>56]
	if seek(sh.e, v, keyHome(v, len(sh.e))) >= 0 {
		return
	}
	if full(sh.n, len(sh.e)) {
		old := sh.e
		sh.e = places[uint64](max(minShard, len(old)*6/5))
		for _, v := range old {
			if v != 0 {
				place(sh.e, v, keyHome(v, len(sh.e)))
			}
		}
	}
	place(sh.e, v, keyHome(v, len(sh.e)))
	sh.n++
}

func (t *keyTable) remove(v uint64) {
	sh := &t[v>>56]
	if i := seek(sh.e, v, keyHome(v, len(sh.e))); i >= 0 {
		shift(sh.e, i, func(v uint64) int { return keyHome(v, len(sh.e)) })
		sh.n--
	}
}

func (t *keyTable) bytes() (n int64) {
	for i := range t {
		n += int64(len(t[i].e)) * 8
	}
	return n
}
