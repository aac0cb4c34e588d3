package seglog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"yipiao/sync/journal"
)

// The layout of a segment; docs/formats/journal.md is the reference.
const (
	formatVersion = 1
	sectorSize    = 512
	startOff      = sectorSize     // the start block, written with the first batch
	headerSize    = 2 * sectorSize // records begin here
	labelUsed     = 44
	startUsed     = 36
	recordHead    = 48
	sumOff        = 32
	align         = 8

	labelMagic = "yipiaojl"
	startMagic = "ypjstart"

	segSuffix = ".seg"
	tmpSuffix = ".tmp"
	badSuffix = ".bad"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errVersion = errors.New("segment has another format version")

// label is the first sector of a segment, durable before the segment has a name.
type label struct {
	epoch  uint32 // of the log
	seed   uint64 // segment epoch: random, so that no other segment's bytes check here
	number uint64
	size   int64
}

func (h label) encode() []byte {
	b := make([]byte, sectorSize)
	copy(b, labelMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	binary.LittleEndian.PutUint32(b[12:], h.epoch)
	binary.LittleEndian.PutUint64(b[16:], h.seed)
	binary.LittleEndian.PutUint64(b[24:], h.number)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.size))
	binary.LittleEndian.PutUint32(b[40:], crc32.Checksum(b[:40], castagnoli))
	return b
}

func decodeLabel(b []byte) (label, error) {
	if len(b) < labelUsed || string(b[:8]) != labelMagic {
		return label{}, errors.New("no segment label")
	}
	if binary.LittleEndian.Uint32(b[40:]) != crc32.Checksum(b[:40], castagnoli) {
		return label{}, errors.New("segment label has a bad checksum")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return label{}, fmt.Errorf("%w: %d, this program knows %d", errVersion, v, formatVersion)
	}
	h := label{
		epoch:  binary.LittleEndian.Uint32(b[12:]),
		seed:   binary.LittleEndian.Uint64(b[16:]),
		number: binary.LittleEndian.Uint64(b[24:]),
		size:   int64(binary.LittleEndian.Uint64(b[32:])),
	}
	if h.size < MinSegmentSize || h.size > MaxSegmentSize || h.size%blockSize != 0 {
		return label{}, fmt.Errorf("segment label has size %d", h.size)
	}
	return h, nil
}

// start is the second sector: where in the log the segment begins.
type start struct {
	first uint64      // sequence number of its first record
	prev  journal.Sum // chain sum before it
}

func (s start) encode(crcSeed uint32) []byte {
	b := make([]byte, sectorSize)
	copy(b, startMagic)
	binary.LittleEndian.PutUint64(b[8:], s.first)
	copy(b[16:], s.prev[:])
	binary.LittleEndian.PutUint32(b[32:], crc32.Update(crcSeed, castagnoli, b[:32]))
	return b
}

func decodeStart(b []byte, crcSeed uint32) (start, bool) {
	if len(b) < startUsed || string(b[:8]) != startMagic {
		return start{}, false
	}
	if binary.LittleEndian.Uint32(b[32:]) != crc32.Update(crcSeed, castagnoli, b[:32]) {
		return start{}, false
	}
	s := start{first: binary.LittleEndian.Uint64(b[8:])}
	copy(s.prev[:], b[16:])
	return s, s.first != 0
}

// seedCRC turns a segment epoch into the state every CRC of the segment starts from.
func seedCRC(seed uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	return crc32.Checksum(b[:], castagnoli)
}

// recordSize is the space a body takes in a segment, head and padding included.
func recordSize(body int) int { return (recordHead + body + align - 1) &^ (align - 1) }

// appendRecord encodes all of a record but what the committer adds: back, sum and CRC.
func appendRecord(buf []byte, seq uint64, r *journal.Record) []byte {
	var head [recordHead]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(recordHead+len(r.Body)))
	binary.LittleEndian.PutUint64(head[8:], seq)
	binary.LittleEndian.PutUint64(head[16:], uint64(r.TimeMs))
	binary.LittleEndian.PutUint32(head[24:], uint32(r.OffsetMs))
	head[28] = byte(r.Kind)
	buf = append(buf, head[:]...)
	buf = append(buf, r.Body...)
	var zero [align]byte
	return append(buf, zero[:recordSize(len(r.Body))-recordHead-len(r.Body)]...)
}

// seal completes an encoded record: how many records of its batch lie before it, and the CRC. The
// sum must be in its place.
func seal(rec record, back uint32, crcSeed uint32) {
	rec[29], rec[30], rec[31] = byte(back), byte(back>>8), byte(back>>16)
	binary.LittleEndian.PutUint32(rec[4:], recordCRC(rec, crcSeed))
}

func recordCRC(rec record, crcSeed uint32) uint32 {
	return crc32.Update(crc32.Update(crcSeed, castagnoli, rec[:4]), castagnoli, rec[8:])
}

// record is a view of an encoded record, padding included.
type record []byte

func (r record) length() int  { return int(binary.LittleEndian.Uint32(r)) }
func (r record) seq() uint64  { return binary.LittleEndian.Uint64(r[8:]) }
func (r record) body() []byte { return r[recordHead:r.length()] }
func (r record) sum() journal.Sum {
	return journal.Sum(r[sumOff : sumOff+journal.SumSize])
}

// batch is the first sequence number of the batch the record was written in. All before it was
// durable when the record was written.
func (r record) batch() uint64 {
	return r.seq() - (uint64(r[29]) | uint64(r[30])<<8 | uint64(r[31])<<16)
}

func (r record) entry(epoch uint32) journal.Entry {
	return journal.Entry{
		Epoch: epoch, Seq: r.seq(), Sum: r.sum(),
		Record: journal.Record{
			Kind:     journal.Kind(r[28]),
			TimeMs:   int64(binary.LittleEndian.Uint64(r[16:])),
			OffsetMs: int32(binary.LittleEndian.Uint32(r[24:])),
			Body:     r.body(),
		},
	}
}

// frameRecord returns the record at the beginning of b by its length alone.
func frameRecord(b []byte) (record, Reason) {
	if len(b) < recordHead {
		return nil, ReasonTorn
	}
	n := record(b).length()
	switch {
	case n == 0:
		return nil, ReasonZero
	case n < recordHead || n > recordHead+journal.MaxBody:
		return nil, ReasonLength
	}
	size := recordSize(n - recordHead)
	if size > len(b) {
		return nil, ReasonLength
	}
	return record(b[:size:size]), ReasonNone
}

// decodeRecord returns the record at the beginning of b if its length and CRC are right.
func decodeRecord(b []byte, crcSeed uint32) (record, Reason) {
	r, why := frameRecord(b)
	if why != ReasonNone {
		return nil, why
	}
	if binary.LittleEndian.Uint32(r[4:]) != recordCRC(r, crcSeed) {
		return nil, ReasonCRC
	}
	return r, ReasonNone
}

func segName(number uint64) string { return fmt.Sprintf("%08d%s", number, segSuffix) }

// parseSegName returns the number of a segment file; ok is false for any other file.
func parseSegName(name string) (number uint64, ok bool) {
	digits, found := strings.CutSuffix(name, segSuffix)
	if !found || len(digits) < 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && segName(n) == name
}
