package ticket

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// digestLabel separates digests from everything else that is hashed, and names their version.
const digestLabel = "yipiao digest v1\x00"

// A Standing is what both ends must agree on about one ticket (sync.md section 5): the version of
// its feed row and the standing of its right of entry.
type Standing struct {
	Ticket TicketID
	Ver    uint64
	Gen    uint32
	Hand   uint32
	Holder StationID // the custodian of the right: 0 for the cloud, else the station
	Used   uint16
	Inside bool
}

// A Digest proves that two ends hold the same tickets in the same standing: the sum modulo 2^128 of
// the hashes of all standings, so it does not depend on order and can be kept up by adding and
// removing. The zero value is the digest of nothing.
type Digest struct {
	hi, lo uint64
}

// hash is SHA-256/128 over the label, then ticket 8 bytes, ver 8, gen 4, hand 4, holder 4, used 2,
// inside 1 (0 or 1), integers big-endian; its 16 bytes are read as one big-endian number.
func (s Standing) hash() (hi, lo uint64) {
	b := make([]byte, 0, len(digestLabel)+31)
	b = append(b, digestLabel...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Ticket))
	b = binary.BigEndian.AppendUint64(b, s.Ver)
	b = binary.BigEndian.AppendUint32(b, s.Gen)
	b = binary.BigEndian.AppendUint32(b, s.Hand)
	b = binary.BigEndian.AppendUint32(b, uint32(s.Holder))
	b = binary.BigEndian.AppendUint16(b, s.Used)
	inside := byte(0)
	if s.Inside {
		inside = 1
	}
	sum := sha256.Sum256(append(b, inside))
	return binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])
}

// Add puts a ticket into the digest.
func (d *Digest) Add(s Standing) {
	hi, lo := s.hash()
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, lo, 0)
	d.hi, _ = bits.Add64(d.hi, hi, carry)
}

// Remove takes a ticket out that was added in the same standing.
func (d *Digest) Remove(s Standing) {
	hi, lo := s.hash()
	var borrow uint64
	d.lo, borrow = bits.Sub64(d.lo, lo, 0)
	d.hi, _ = bits.Sub64(d.hi, hi, borrow)
}

// String is the digest as 32 hex digits.
func (d Digest) String() string { return fmt.Sprintf("%016x%016x", d.hi, d.lo) }

// MarshalText encodes the digest as String does.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText decodes exactly 32 hex digits.
func (d *Digest) UnmarshalText(b []byte) error {
	var raw [16]byte
	if len(b) != hex.EncodedLen(len(raw)) {
		return fmt.Errorf("digest: want %d hex digits, have %d", hex.EncodedLen(len(raw)), len(b))
	}
	if _, err := hex.Decode(raw[:], b); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	d.hi, d.lo = binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	return nil
}
