package hub_test

import (
	"errors"
	"slices"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/wire"
)

var chainKey = []byte("0123456789abcdef0123456789abcdef")

// run makes n chained entries of epoch 1 that follow prev.
func run(prev journal.Sum, from uint64, n int) []journal.Entry {
	out := make([]journal.Entry, n)
	for i := range out {
		e := journal.Entry{Epoch: 1, Seq: from + uint64(i), Record: journal.Record{Kind: 20, TimeMs: 1000 + int64(i), Body: []byte(`{"sub":"wan"}`)}}
		e.Sum = journal.Chain(chainKey, prev, &e)
		prev, out[i] = e.Sum, e
	}
	return out
}

func TestAccept(t *testing.T) {
	all := run(journal.Sum{}, 1, 10)
	held := &hub.Journal{Epoch: 1, Durable: 5, Sum: all[4].Sum, Key: chainKey}
	stored := func(first, last uint64) ([]journal.Sum, error) {
		var sums []journal.Sum
		for _, e := range all[first-1 : last] {
			sums = append(sums, e.Sum)
		}
		return sums, nil
	}
	changed := func(i int, change func(*journal.Entry)) []journal.Entry {
		es := slices.Clone(all)
		change(&es[i])
		return es
	}
	for _, c := range []struct {
		name    string
		epoch   uint32
		entries []journal.Entry
		code    wire.Code
		fresh   int
	}{
		{"next", 1, all[5:], "", 5},
		{"overlap", 1, all[3:8], "", 3},
		{"all known", 1, all[:5], "", 0},
		{"nothing", 1, nil, "", 0},
		{"other epoch", 2, nil, wire.CodeEpoch, 0},
		{"gap", 1, all[6:], wire.CodeGap, 0},
		{"hole inside", 1, append(slices.Clone(all[5:7]), all[8:]...), wire.CodeBadRequest, 0},
		{"sequence zero", 1, []journal.Entry{{Epoch: 1}}, wire.CodeBadRequest, 0},
		{"entry of another epoch", 1, changed(7, func(e *journal.Entry) { e.Epoch = 2 })[5:], wire.CodeBadRequest, 0},
		{"fork", 1, changed(4, func(e *journal.Entry) { e.Sum[0]++ }), wire.CodeFork, 0},
		{"edited body", 1, changed(8, func(e *journal.Entry) { e.Body = []byte("{}") }), wire.CodeChain, 0},
		{"edited time", 1, changed(6, func(e *journal.Entry) { e.TimeMs++ }), wire.CodeChain, 0},
		{"edited offset", 1, changed(6, func(e *journal.Entry) { e.OffsetMs++ }), wire.CodeChain, 0},
		{"edited kind", 1, changed(6, func(e *journal.Entry) { e.Kind++ }), wire.CodeChain, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh, err := hub.Accept(held, &wire.Batch{Epoch: c.epoch, Entries: c.entries}, stored)
			var answer *wire.Error
			errors.As(err, &answer)
			switch {
			case c.code == "" && (err != nil || len(fresh) != c.fresh):
				t.Fatalf("%d fresh, %v, want %d", len(fresh), err, c.fresh)
			case c.code != "" && (answer == nil || answer.Code != c.code || len(fresh) != 0):
				t.Fatalf("%d fresh, %v, want code %s", len(fresh), err, c.code)
			case answer != nil && (answer.Ack == nil || answer.Ack.Durable != 5 || answer.Ack.Epoch != 1):
				t.Fatalf("the refusal does not say what is held: %+v", answer.Ack)
			}
		})
	}
}

// The right key is what makes a chain ours: whoever edits a disk cannot make it again.
func TestAccept_AnotherChainKeyIsNoChain(t *testing.T) {
	held := &hub.Journal{Epoch: 1, Key: []byte("another key")}
	_, err := hub.Accept(held, &wire.Batch{Epoch: 1, Entries: run(journal.Sum{}, 1, 1)}, nil)
	var answer *wire.Error
	if !errors.As(err, &answer) || answer.Code != wire.CodeChain {
		t.Fatalf("error %v", err)
	}
}
