package seglog

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"yipiao/sync/journal"
)

// chainer computes journal.Chain over encoded records without allocating. Not for concurrent use.
type chainer struct {
	mac  hash.Hash
	lead [journal.SumSize + 4]byte // previous sum, epoch
	out  [sha256.Size]byte
}

func newChainer(key []byte, epoch uint32) *chainer {
	c := &chainer{mac: hmac.New(sha256.New, key)}
	binary.LittleEndian.PutUint32(c.lead[journal.SumSize:], epoch)
	return c
}

// next returns the sum of rec after prev. seq, time, offset and kind lie in a record as the chain
// wants them, so two writes do.
func (c *chainer) next(prev journal.Sum, rec record) journal.Sum {
	copy(c.lead[:], prev[:])
	c.mac.Reset()
	c.mac.Write(c.lead[:])
	c.mac.Write(rec[8:29])
	c.mac.Write(rec.body())
	return journal.Sum(c.mac.Sum(c.out[:0])[:journal.SumSize])
}
