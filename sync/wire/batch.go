package wire

import (
	"encoding/binary"
	"fmt"

	"yipiao/sync/journal"
)

// A Batch is a run of consecutive journal entries of one epoch.
type Batch struct {
	Epoch   uint32
	Entries []journal.Entry
}

// Limits of a batch.
const (
	MaxBatchEntries = 5000
	MaxBatchBytes   = 4 << 20
)

// An Ack answers a batch: what the cloud holds of the station's journal.
type Ack struct {
	Epoch   uint32 `json:"epoch"`
	Durable uint64 `json:"durable"` // stored; the station may forget up to here
	Folded  uint64 `json:"folded"`  // judged and applied; what could not be applied counts too (dead letter)
	TimeMs  int64  `json:"time_ms"` // the cloud's clock
}

// AppendBatch encodes b as: version 1 byte, epoch 4, count 4, then per entry seq 8, time 8, offset 4,
// kind 1, sum 16, length 4, body; integers little-endian. Compression is the link's business.
func AppendBatch(dst []byte, b *Batch) []byte {
	dst = append(dst, Version)
	dst = binary.LittleEndian.AppendUint32(dst, b.Epoch)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.Entries)))
	for i := range b.Entries {
		e := &b.Entries[i]
		dst = binary.LittleEndian.AppendUint64(dst, e.Seq)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.TimeMs))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.OffsetMs))
		dst = append(dst, byte(e.Kind))
		dst = append(dst, e.Sum[:]...)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.Body)))
		dst = append(dst, e.Body...)
	}
	return dst
}

const frameHead = 8 + 8 + 4 + 1 + journal.SumSize + 4

// DecodeBatch is the inverse of AppendBatch. It checks lengths and limits, not order or chain.
func DecodeBatch(src []byte) (Batch, error) {
	var b Batch
	if len(src) < 9 {
		return b, fmt.Errorf("journal batch: %d bytes, want at least 9", len(src))
	}
	if src[0] != Version {
		return b, &Error{Code: CodeVersion, Detail: fmt.Sprintf("journal batch version %d, want %d", src[0], Version)}
	}
	b.Epoch = binary.LittleEndian.Uint32(src[1:])
	n := int(binary.LittleEndian.Uint32(src[5:]))
	src = src[9:]
	if n > MaxBatchEntries {
		return b, fmt.Errorf("journal batch: %d entries, at most %d", n, MaxBatchEntries)
	}
	b.Entries = make([]journal.Entry, 0, n)
	for i := range n {
		if len(src) < frameHead {
			return b, fmt.Errorf("journal batch: entry %d is cut off", i)
		}
		e := journal.Entry{Epoch: b.Epoch, Seq: binary.LittleEndian.Uint64(src)}
		e.TimeMs = int64(binary.LittleEndian.Uint64(src[8:]))
		e.OffsetMs = int32(binary.LittleEndian.Uint32(src[16:]))
		e.Kind = journal.Kind(src[20])
		copy(e.Sum[:], src[21:])
		size := int(binary.LittleEndian.Uint32(src[frameHead-4:]))
		src = src[frameHead:]
		if size > journal.MaxBody || size > len(src) {
			return b, fmt.Errorf("journal batch: body of entry %d has %d bytes, %d are left", i, size, len(src))
		}
		e.Body = append([]byte(nil), src[:size]...)
		src = src[size:]
		b.Entries = append(b.Entries, e)
	}
	if len(src) != 0 {
		return b, fmt.Errorf("journal batch: %d bytes after the last entry", len(src))
	}
	return b, nil
}
