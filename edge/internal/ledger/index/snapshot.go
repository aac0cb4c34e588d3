package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"yipiao/sync/ticket"
)

// A snapshot is a magic and sections, numbers little-endian:
//
//	magic    "YPINDEX" and the version, 1
//	section  kind u8, key u8, shard u16, length of the body u64; the body; CRC-32C of all that u32
//
// in this order: slab (rows of slot 1, 2, …, 64 bytes each, zero for a slot not used), lanes (number
// u16, length u16, name), sessions (number u16, id u64), of each key each shard that is not empty
// (fingerprint<<32|slot u64), and the end, which is empty. The tables of ids and credentials are not
// written: they follow from the rows.
const (
	magic   = "YPINDEX"
	version = 1

	sectionSlab     = 1
	sectionLanes    = 2
	sectionSessions = 3
	sectionKey      = 4
	sectionEnd      = 5

	headSize  = 12
	blockRows = 4096 // rows encoded or decoded at a time
	blockSize = blockRows * rowSize
)

// ErrSnapshot is wrapped by every error of Read that is about what was read: cut off, damaged, of an
// unknown version. An error of the reader itself does not wrap it.
var ErrSnapshot = errors.New("index: not a whole snapshot")

// WriteTo writes a snapshot, for Read. It may run beside everything else and stops nobody for longer
// than it takes to copy a row or a shard. What was done before the call and not touched during it is
// in the snapshot; what is done during the call may be in it or not: a ticket removed meanwhile may be
// there still, with its keys or without. So the caller notes before the call how far it has come, and
// after Read does everything from there on again; all changes of an Index may be done twice.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	unpin := x.Sessions.n.pin() // a row copied early must not end up in the session that got its number late
	defer unpin()
	sw := &sectionWriter{w: w, buf: make([]byte, 0, blockSize)}
	sw.buf = append(append(sw.buf, magic...), version)
	sw.flush()
	x.writeSlab(sw)
	sw.whole(sectionLanes, 0, 0, x.Lanes.encode)
	sw.whole(sectionSessions, 0, 0, x.Sessions.encode)
	for k := range x.links {
		for part := range shards {
			sw.whole(sectionKey, Key(k), part, func(b []byte) []byte { return x.encodeShard(b, Key(k), part) })
		}
	}
	sw.begin(sectionEnd, 0, 0, 0)
	sw.end()
	if sw.err != nil {
		return sw.n, fmt.Errorf("index: write snapshot: %w", sw.err)
	}
	return sw.n, nil
}

func (x *Index) writeSlab(sw *sectionWriter) {
	x.mu.RLock()
	end := x.next
	x.mu.RUnlock()
	sw.begin(sectionSlab, 0, 0, uint64(end-1)*rowSize)
	for s := Slot(1); s < end && sw.err == nil; s++ {
		x.Lock(s)
		row := *x.Row(s)
		x.Unlock(s)
		if len(sw.buf)+rowSize > cap(sw.buf) {
			sw.flush()
		}
		n := len(sw.buf)
		sw.buf = sw.buf[:n+rowSize]
		row.encode((*[rowSize]byte)(sw.buf[n:]))
	}
	sw.end()
}

// encodeShard appends the entries of one shard of a key.
func (x *Index) encodeShard(b []byte, k Key, part int) []byte {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, v := range x.links[k][part].e {
		if v != 0 {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	return b
}

func (n *Names) encode(b []byte) []byte {
	n.n.each(func(number uint16, name string) {
		b = binary.LittleEndian.AppendUint16(b, number)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
		b = append(b, name...)
	})
	return b
}

func (n *Sessions) encode(b []byte) []byte {
	n.n.each(func(number uint16, id ticket.SessionID) {
		b = binary.LittleEndian.AppendUint16(b, number)
		b = binary.LittleEndian.AppendUint64(b, uint64(id))
	})
	return b
}

func (r *Row) encode(b *[rowSize]byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], uint64(r.ID))
	le.PutUint64(b[8:], r.Ver)
	le.PutUint64(b[16:], uint64(r.LastMs))
	copy(b[24:40], r.CredHash[:])
	le.PutUint32(b[40:], r.Gen)
	le.PutUint32(b[44:], r.Hand)
	le.PutUint16(b[48:], uint16(r.Group))
	le.PutUint16(b[50:], r.Cred)
	le.PutUint16(b[52:], r.Used)
	le.PutUint16(b[54:], r.Max)
	le.PutUint16(b[56:], r.Lane)
	le.PutUint16(b[58:], r.Session)
	le.PutUint16(b[60:], uint16(r.Flags))
	b[62], b[63] = r.Passage, r.Bits
}

func (r *Row) decode(b *[rowSize]byte) {
	le := binary.LittleEndian
	r.ID = ticket.TicketID(le.Uint64(b[0:]))
	r.Ver = le.Uint64(b[8:])
	r.LastMs = int64(le.Uint64(b[16:]))
	copy(r.CredHash[:], b[24:40])
	r.Gen = le.Uint32(b[40:])
	r.Hand = le.Uint32(b[44:])
	r.Group = ticket.GateGroupID(le.Uint16(b[48:]))
	r.Cred = le.Uint16(b[50:])
	r.Used = le.Uint16(b[52:])
	r.Max = le.Uint16(b[54:])
	r.Lane = le.Uint16(b[56:])
	r.Session = le.Uint16(b[58:])
	r.Flags = Flag(le.Uint16(b[60:]))
	r.Passage, r.Bits = b[62], b[63]
}
