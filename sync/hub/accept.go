package hub

import (
	"fmt"

	"yipiao/sync/journal"
	"yipiao/sync/wire"
)

// A Journal is what the cloud holds of a station's journal.
type Journal struct {
	Epoch   uint32
	Durable uint64      // last sequence stored
	Folded  uint64      // last sequence folded
	Sum     journal.Sum // chain value at Durable
	Key     []byte      // chain key of the epoch
}

// Ack is the answer that names what is held. TimeMs is filled in by Hub.
func (j *Journal) Ack() wire.Ack {
	return wire.Ack{Epoch: j.Epoch, Durable: j.Durable, Folded: j.Folded}
}

func (j *Journal) refuse(code wire.Code, format string, args ...any) error {
	ack := j.Ack()
	return &wire.Error{Code: code, Detail: fmt.Sprintf(format, args...), Ack: &ack}
}

// Accept says which entries of b are new and may be stored after what is held (T4). It judges order
// and chain, never bodies, so nothing can block an upload. stored returns the sums of the stored
// entries from first to last.
//
// The error is a *wire.Error: CodeEpoch for another epoch, CodeGap when b begins too late, CodeFork
// when an entry differs from the stored one, CodeChain when a sum does not follow, CodeBadRequest for
// a batch that is not a run. Fork and chain are incidents; nothing of such a batch is stored.
func Accept(j *Journal, b *wire.Batch, stored func(first, last uint64) ([]journal.Sum, error)) ([]journal.Entry, error) {
	if b.Epoch != j.Epoch {
		return nil, j.refuse(wire.CodeEpoch, "journal epoch %d, registered is %d", b.Epoch, j.Epoch)
	}
	if len(b.Entries) == 0 {
		return nil, nil
	}
	first := b.Entries[0].Seq
	for i := range b.Entries {
		if e := &b.Entries[i]; first == 0 || e.Seq != first+uint64(i) || e.Epoch != b.Epoch {
			return nil, j.refuse(wire.CodeBadRequest, "entry %d of the batch is not the next of its run", i)
		}
	}
	if first > j.Durable+1 {
		return nil, j.refuse(wire.CodeGap, "batch begins at %d, expected is %d", first, j.Durable+1)
	}
	held := min(int(j.Durable+1-first), len(b.Entries))
	if held > 0 {
		sums, err := stored(first, first+uint64(held)-1)
		if err != nil {
			return nil, err
		}
		for i := range sums {
			if sums[i] != b.Entries[i].Sum {
				return nil, j.refuse(wire.CodeFork, "entry %d differs from the stored one", b.Entries[i].Seq)
			}
		}
	}
	fresh := b.Entries[held:]
	prev := j.Sum
	for i := range fresh {
		if prev = journal.Chain(j.Key, prev, &fresh[i]); prev != fresh[i].Sum {
			return nil, j.refuse(wire.CodeChain, "sum of entry %d does not follow", fresh[i].Seq)
		}
	}
	return fresh, nil
}
