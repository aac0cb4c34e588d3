package seglog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"sync"
)

const (
	markEvery = 32 << 10  // bytes between two places that are remembered
	zeroChunk = 256 << 10 // bytes zeroed between two syncs: what a commit may have to queue behind
)

// segment is an open segment file.
type segment struct {
	label
	start   // zero as long as it is only prepared
	file    File
	crcSeed uint32

	mu    sync.Mutex // guards the fields below
	marks []mark     // ascending
}

// mark says that the record seq begins at byte off.
type mark struct {
	seq uint64
	off int64
}

// note remembers where a record begins, if it is far enough from the last place remembered.
func (s *segment) note(seq uint64, off int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := int64(headerSize)
	if n := len(s.marks); n > 0 {
		last = s.marks[n-1].off
	}
	if off >= last+markEvery {
		s.marks = append(s.marks, mark{seq, off})
	}
}

// seek returns the nearest remembered place at or before seq.
func (s *segment) seek(seq uint64) mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].seq > seq })
	if i == 0 {
		return mark{s.first, headerSize}
	}
	return s.marks[i-1]
}

// makeSegment makes a zeroed, labelled segment under its final name, all of it durable. It gives up
// when stop closes.
func makeSegment(cfg *Config, number uint64, stop <-chan struct{}) (*segment, error) {
	var seed [8]byte
	if _, err := io.ReadFull(cfg.Rand, seed[:]); err != nil {
		return nil, fmt.Errorf("segment epoch: %w", err)
	}
	h := label{epoch: cfg.Epoch, seed: binary.LittleEndian.Uint64(seed[:]), number: number, size: cfg.SegmentSize}
	name := filepath.Join(cfg.Dir, segName(number))
	tmp := name + tmpSuffix
	f, err := cfg.FS.Create(tmp)
	if err != nil {
		return nil, err
	}
	if err = fillZero(f, h, stop); err == nil {
		err = cfg.FS.Rename(tmp, name)
	}
	if err == nil {
		err = cfg.FS.SyncDir(cfg.Dir)
	}
	if err != nil {
		// What is left of it is removed by the next try or the next Open.
		return nil, errors.Join(fmt.Errorf("prepare %s: %w", segName(number), err), f.Close(), ignoreMissing(cfg.FS.Remove(tmp)))
	}
	return &segment{label: h, file: f, crcSeed: seedCRC(h.seed)}, nil
}

func fillZero(f File, h label, stop <-chan struct{}) error {
	chunk := make([]byte, min(zeroChunk, h.size))
	copy(chunk, h.encode())
	for off := int64(0); off < h.size; {
		select {
		case <-stop:
			return errStopped
		default:
		}
		part := chunk[:min(int64(len(chunk)), h.size-off)]
		if err := writeFull(f, part, off); err != nil {
			return err
		}
		if off += int64(len(part)); off < h.size {
			if err := f.Datasync(); err != nil {
				return err
			}
		}
		clear(chunk[:sectorSize])
	}
	return f.Sync()
}

// writeFull is WriteAt that never takes a short write for a success.
func writeFull(f File, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// readUpTo fills b from off and returns how much of it the file has.
func readUpTo(f File, b []byte, off int64) (int, error) {
	n, err := f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
