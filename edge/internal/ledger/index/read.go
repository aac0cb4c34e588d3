package index

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sync"

	"yipiao/sync/ticket"
)

// Read makes an index of what WriteTo wrote and reads nothing beyond it. Whatever it is given, it
// allocates a small multiple of what it has read.
func Read(r io.Reader) (*Index, error) {
	sr := &sectionReader{r: r, buf: make([]byte, blockSize)}
	ld := &loader{x: New()}
	if err := ld.load(sr); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return ld.x, nil
}

// A loader builds an index.
type loader struct {
	x        *Index
	live     []uint64 // bit set of the slots in use
	ids      pairs
	creds    pairs
	lanes    [math.MaxUint16 + 1]bool // numbers that rows bear
	sessions [math.MaxUint16 + 1]bool
}

// pairs are (low half of a hash)<<32|slot, shard after shard, in each in the order of slots: a table
// that is built shard by shard stays within the processor's caches.
type pairs struct {
	n    [shards]int // in each shard, at most
	all  []uint64
	from [shards]int // where each shard begins
	next [shards]int // where its next pair goes
}

func (p *pairs) count(h uint64) { p.n[h>>56]++ }

func (p *pairs) prepare() {
	sum := 0
	for i, n := range p.n {
		p.from[i], p.next[i] = sum, sum
		sum += n
	}
	p.all = make([]uint64, sum)
}

func (p *pairs) add(h uint64, s Slot) {
	p.all[p.next[h>>56]] = h<<32 | uint64(s)
	p.next[h>>56]++
}

func (p *pairs) shard(i int) []uint64 {
	return p.all[p.from[i]:p.next[i]]
}

func (ld *loader) load(sr *sectionReader) error {
	if err := sr.magic(); err != nil {
		return err
	}
	for _, step := range []struct {
		kind uint8
		read func(*sectionReader) error
	}{{sectionSlab, ld.slab}, {sectionLanes, ld.readLanes}, {sectionSessions, ld.readSessions}} {
		if err := sr.begin(); err != nil {
			return err
		}
		if sr.kind != step.kind {
			return bad("section %d, want %d", sr.kind, step.kind)
		}
		if err := step.read(sr); err != nil {
			return err
		}
	}
	ld.dropUnnamed()
	ld.sort()
	ld.buildIDs()
	var credentials sync.WaitGroup
	credentials.Go(ld.buildCredentials)
	defer credentials.Wait()
	return ld.keys(sr)
}

func (ld *loader) slab(sr *sectionReader) error {
	if sr.left%rowSize != 0 || sr.left/rowSize >= math.MaxUint32 {
		return bad("slab of %d bytes", sr.left)
	}
	var dir []*chunk
	s := Slot(1)
	for sr.left > 0 {
		b, err := sr.next()
		if err != nil {
			return err
		}
		for ; len(b) > 0; b = b[rowSize:] {
			if int(s>>chunkBits) == len(dir) {
				dir = append(dir, new(chunk))
			}
			ld.row(s, &dir[s>>chunkBits][s%chunkRows], (*[rowSize]byte)(b))
			s++
		}
	}
	ld.x.next = s
	ld.x.dir.Store(&dir)
	return sr.end()
}

// row takes over the row of a slot; slots come in order.
func (ld *loader) row(s Slot, r *Row, b *[rowSize]byte) {
	if int(s>>6) >= len(ld.live) {
		ld.live = append(ld.live, 0)
	}
	if r.decode(b); r.ID == 0 {
		*r = Row{}
		ld.x.free = append(ld.x.free, s)
		return
	}
	ld.live[s>>6] |= 1 << (s & 63)
	ld.lanes[r.Lane], ld.sessions[r.Session] = true, true
	ld.ids.count(mixID(r.ID))
	if r.CredHash != (ticket.Hash{}) {
		ld.creds.count(mixHash(r.CredHash))
	}
}

func (ld *loader) used(s Slot) bool {
	return int(s>>6) < len(ld.live) && ld.live[s>>6]&(1<<(s&63)) != 0
}

func (ld *loader) drop(s Slot) {
	ld.live[s>>6] &^= 1 << (s & 63)
	*ld.x.Row(s) = Row{}
	ld.x.free = append(ld.x.free, s)
}

func (ld *loader) readLanes(sr *sectionReader) error {
	b, err := sr.body(nil)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		if len(b) < 4 {
			return bad("a lane")
		}
		number, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if b = b[4:]; n > len(b) || n > maxName || !ld.x.Lanes.n.restore(number, string(b[:n])) {
			return bad("lane %d", number)
		}
		b = b[n:]
	}
	return nil
}

func (ld *loader) readSessions(sr *sectionReader) error {
	b, err := sr.body(nil)
	if err != nil {
		return err
	}
	if len(b)%10 != 0 {
		return bad("sessions of %d bytes", len(b))
	}
	for ; len(b) > 0; b = b[10:] {
		number, id := binary.LittleEndian.Uint16(b), ticket.SessionID(binary.LittleEndian.Uint64(b[2:]))
		if !ld.x.Sessions.n.restore(number, id) {
			return bad("session number %d", number)
		}
	}
	return nil
}

// dropUnnamed drops the rows of sessions that were dropped while the snapshot was written: that is
// done only when their tickets have been removed. A lane that has no name becomes unknown.
func (ld *loader) dropUnnamed() {
	odd := false
	for n := 1; n <= math.MaxUint16; n++ {
		odd = odd || ld.lanes[n] && ld.x.Lanes.Name(uint16(n)) == "" || ld.sessions[n] && ld.x.Sessions.ID(uint16(n)) == 0
	}
	if !odd {
		return
	}
	for s := Slot(1); s < ld.x.next; s++ {
		r := ld.x.Row(s)
		if r.Session != 0 && ld.x.Sessions.ID(r.Session) == 0 {
			ld.drop(s)
		}
		if ld.x.Lanes.Name(r.Lane) == "" {
			r.Lane = 0
		}
	}
}

// sort fills the pairs.
func (ld *loader) sort() {
	ld.ids.prepare()
	ld.creds.prepare()
	for s := Slot(1); s < ld.x.next; s++ {
		r := ld.x.Row(s)
		if r.ID == 0 {
			continue
		}
		ld.ids.add(mixID(r.ID), s)
		if r.CredHash != (ticket.Hash{}) {
			ld.creds.add(mixHash(r.CredHash), s)
		}
	}
}

// buildIDs builds the table of ids. A ticket that was removed and came back while the snapshot was
// written may stand in two slots; slots are copied in order, so the higher one is the newer.
func (ld *loader) buildIDs() {
	var lows []uint32 // of the hash, by place
	for part := range shards {
		pairs := ld.ids.shard(part)
		if len(pairs) == 0 {
			continue
		}
		sh := &ld.x.ids[part]
		sh.e = places[uint32](max(minShard, len(pairs)*3/2))
		lows = append(lows[:0], make([]uint32, len(sh.e))...)
		for _, p := range pairs {
			s, low := Slot(p), uint32(p>>32)
			i := slotHome(uint64(low), len(sh.e))
			for sh.e[i] != 0 && (lows[i] != low || ld.x.Row(Slot(sh.e[i])).ID != ld.x.Row(s).ID) {
				if i++; i == len(sh.e) {
					i = 0
				}
			}
			if older := Slot(sh.e[i]); older != 0 {
				ld.drop(older)
			} else {
				sh.n++
			}
			sh.e[i], lows[i] = uint32(s), low
		}
	}
}

func (ld *loader) buildCredentials() {
	for part := range shards {
		pairs := ld.creds.shard(part)
		if len(pairs) == 0 {
			continue
		}
		sh := &ld.x.creds[part]
		sh.e = places[uint32](max(minShard, len(pairs)*3/2))
		for _, p := range pairs {
			if ld.used(Slot(p)) {
				place(sh.e, uint32(p), slotHome(p>>32, len(sh.e)))
				sh.n++
			}
		}
	}
}

// keys reads the shards of the keys up to the end. Entries of slots not in use are left out.
func (ld *loader) keys(sr *sectionReader) error {
	var b []byte
	for {
		err := sr.begin()
		if err != nil {
			return err
		}
		switch {
		case sr.kind == sectionEnd && sr.left == 0:
			return sr.end()
		case sr.kind != sectionKey || sr.key >= keys || sr.part >= shards || sr.left%8 != 0:
			return bad("section %d of key %d", sr.kind, sr.key)
		}
		if b, err = sr.body(b[:0]); err != nil {
			return err
		}
		if err := ld.shard(&ld.x.links[sr.key], sr.part, b); err != nil {
			return err
		}
	}
}

func (ld *loader) shard(t *keyTable, part int, b []byte) error {
	if t[part].n == 0 {
		t[part].e = places[uint64](max(minShard, len(b)/8*7/5))
	}
	for ; len(b) > 0; b = b[8:] {
		v := binary.LittleEndian.Uint64(b)
		if int(v>>56) != part {
			return bad("shard %d holds an entry of another", part)
		}
		if ld.used(Slot(v)) {
			t.insert(v)
		}
	}
	return nil
}
