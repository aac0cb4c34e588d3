// Package journal is the station's append-only, chained log of facts: what makes a decision
// durable, and the outbox that the uploader reads.
//
// It knows order, durability and the chain. It must not know what a fact means, how it is uploaded,
// or what a ticket is: bodies are opaque bytes. Implementations are seglog (segment files) and
// memlog (the reference model); logtest holds what both must satisfy.
package journal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Errors a Log returns and a caller branches on.
var (
	// ErrFailed is returned by every call after a write or sync has failed once: the log refuses
	// and never pretends. Reopening the files is the only way on.
	ErrFailed = errors.New("journal: log has failed")
	// ErrFull is returned by Append when the disk, less the reserve, has no room. Nothing was appended.
	ErrFull = errors.New("journal: no space left for facts")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("journal: closed")
	// ErrTooLarge is returned by Append for a body over MaxBody.
	ErrTooLarge = errors.New("journal: body too large")
	// ErrTrimmed is returned by Read when the asked sequence was removed by retention.
	ErrTrimmed = errors.New("journal: sequence is no longer kept")
)

// MaxBody is the largest body in bytes.
const MaxBody = 64 << 10

// SumSize is the length of an entry's chain sum in bytes.
const SumSize = 16

// Sum is the chain value of an entry.
type Sum [SumSize]byte

// Kind is the kind of a fact. The journal only stores it.
type Kind uint8

// Record is a fact before it has a place in the log.
type Record struct {
	Kind     Kind
	TimeMs   int64 // Unix milliseconds of the station's clock, offset applied
	OffsetMs int32 // clock offset to the cloud that was applied, milliseconds
	Body     []byte
}

// Entry is a fact at its place.
type Entry struct {
	Epoch uint32
	Seq   uint64 // 1 is the first of an epoch
	Record
	Sum Sum
}

// Pos is a position in a log. The zero Pos lies before the first entry.
type Pos struct {
	Epoch uint32
	Seq   uint64
	Sum   Sum
}

// A Log is an append-only sequence of entries of one epoch. All methods are safe for concurrent use.
type Log interface {
	// Append gives the records consecutive sequence numbers, all or none, in memory, and returns
	// the number of the last. They become durable in that order; Append does not wait for it.
	// The bodies are copied. Append never blocks on the disk.
	Append(recs ...Record) (last uint64, err error)
	// Wait returns nil once every entry up to seq is durable, ctx's error, or ErrFailed/ErrClosed
	// when that can no longer happen.
	Wait(ctx context.Context, seq uint64) error
	// End returns the sequence number of the last appended entry, durable or not.
	End() uint64
	// Durable returns the position of the last durable entry.
	Durable() Pos
	// Read returns durable entries from seq on, at most n and about maxBytes of bodies, at least
	// one if there is one. The entries are the caller's.
	Read(from uint64, n, maxBytes int) ([]Entry, error)
	// Close syncs what was appended, stops the committer and releases the files.
	Close() error
}

// Chain returns the sum of e, which follows prev: the first SumSize bytes of
// HMAC-SHA-256(key, prev ‖ epoch ‖ seq ‖ time ‖ offset ‖ kind ‖ body), integers little-endian.
// Both ends compute it (docs/formats/journal.md). e.Sum is ignored.
func Chain(key []byte, prev Sum, e *Entry) Sum {
	var head [4 + 8 + 8 + 4 + 1]byte
	binary.LittleEndian.PutUint32(head[0:], e.Epoch)
	binary.LittleEndian.PutUint64(head[4:], e.Seq)
	binary.LittleEndian.PutUint64(head[12:], uint64(e.TimeMs))
	binary.LittleEndian.PutUint32(head[20:], uint32(e.OffsetMs))
	head[24] = byte(e.Kind)
	m := hmac.New(sha256.New, key)
	m.Write(prev[:])
	m.Write(head[:])
	m.Write(e.Body)
	var out Sum
	copy(out[:], m.Sum(nil))
	return out
}
