package seglog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"yipiao/sync/journal"
)

// Bounds and defaults of a Config, in bytes.
const (
	DefaultSegmentSize = 16 << 20
	MinSegmentSize     = 64 << 10
	MaxSegmentSize     = 256 << 20 // so that a batch never has 2^24 records
	DefaultAhead       = 2

	blockSize         = 4096
	maxDefaultReserve = 1 << 20
)

// Errors of this implementation that a caller branches on.
var (
	// ErrLocked is returned by Open when another process, or another Log of this one, has the directory.
	ErrLocked = errors.New("seglog: directory is in use by another process")
	// ErrDamaged is returned by Open, Read and Verify when something that was durable is not there
	// any more or is not what was written. A torn tail after a power cut is not damage.
	ErrDamaged = errors.New("seglog: journal is damaged")
	// ErrEpoch is returned by Open when the files are of another epoch than Config.Epoch.
	ErrEpoch = errors.New("seglog: files belong to another epoch")
)

// Config says where a log is and how large it may become. Sizes are bytes; a zero field takes its
// default.
type Config struct {
	// Dir holds one epoch's files and nothing else. It is made if missing.
	Dir string
	// Epoch is the log epoch; Open refuses files of another one.
	Epoch uint32
	// Key is the chain key of the epoch. It is copied. Required.
	Key []byte

	// SegmentSize is the size of new segments: a multiple of 4096 from MinSegmentSize to
	// MaxSegmentSize. A body that does not fit a segment is ErrTooLarge. Default 16 MiB.
	SegmentSize int64
	// Ahead is how many prepared segments are kept besides the one written to, at least 1. Default 2.
	Ahead int
	// Reserve is how much of the prepared space only AppendReserve may use: at most Ahead segments
	// less one, or half a segment when Ahead is 1. Default: the smaller of 1 MiB and an eighth of a segment.
	Reserve int64
	// MaxBytes bounds all segments together; at least Ahead+1 segments. 0 = only the disk bounds them.
	MaxBytes int64
	// KeepFree is how much of the file system is left to others. Default 4 segments.
	KeepFree int64
	// LowBytes: Stats.Low is set while less than this can still be appended. Default 4 segments.
	LowBytes int64
	// OnLow, if set, is told when Stats.Low changes. It is called from a background goroutine, Open
	// or CheckSpace, one call at a time; it must not call the log.
	OnLow func(low bool)

	// AllowDamaged lets Open go on with a damaged journal: unreadable sealed segments stay and
	// Read answers ErrDamaged there; a damaged last segment is cut and what is cut off is kept in
	// a *.bad file. Sequence numbers after a cut may have been used: begin a new epoch afterwards.
	AllowDamaged bool
	// VerifyAll makes Open check every record and the chain of all segments, not only of the last.
	VerifyAll bool

	// FS is the file layer. Default OS().
	FS FS
	// Rand gives segment epochs. Default crypto/rand.
	Rand io.Reader
	// Mono is a monotonic clock; when set, Stats says how long syncs take.
	Mono func() time.Duration
}

func (c Config) withDefaults() (Config, error) {
	c.Key = append([]byte(nil), c.Key...)
	if c.SegmentSize == 0 {
		c.SegmentSize = DefaultSegmentSize
	}
	if c.Ahead == 0 {
		c.Ahead = DefaultAhead
	}
	if c.Reserve == 0 {
		c.Reserve = min(maxDefaultReserve, c.SegmentSize/8)
	}
	if c.KeepFree == 0 {
		c.KeepFree = 4 * c.SegmentSize
	}
	if c.LowBytes == 0 {
		c.LowBytes = 4 * c.SegmentSize
	}
	if c.FS == nil {
		c.FS = OS()
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c, c.validate()
}

func (c Config) validate() error {
	switch {
	case c.Dir == "":
		return errors.New("directory is missing")
	case len(c.Key) == 0:
		return errors.New("chain key is missing")
	case c.SegmentSize < MinSegmentSize || c.SegmentSize > MaxSegmentSize || c.SegmentSize%blockSize != 0:
		return fmt.Errorf("segment size %d is not a multiple of %d from %d to %d", c.SegmentSize, blockSize, MinSegmentSize, MaxSegmentSize)
	case c.Ahead < 1:
		return fmt.Errorf("ahead %d is less than 1", c.Ahead)
	case c.Reserve < 0 || c.Reserve > max(int64(c.Ahead-1)*c.SegmentSize, c.SegmentSize/2):
		return fmt.Errorf("reserve %d does not fit %d prepared segments", c.Reserve, c.Ahead)
	case c.MaxBytes != 0 && c.MaxBytes < int64(c.Ahead+1)*c.SegmentSize:
		return fmt.Errorf("limit %d is less than %d segments", c.MaxBytes, c.Ahead+1)
	case c.KeepFree < 0 || c.LowBytes < 0:
		return errors.New("a size is negative")
	}
	return nil
}

// maxBody is the largest body a new segment can hold.
func (c Config) maxBody() int {
	return int(min(journal.MaxBody, (c.SegmentSize-headerSize-recordHead)&^(align-1)))
}
