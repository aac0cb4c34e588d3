package journal_test

import (
	"encoding/hex"
	"testing"

	"yipiao/sync/journal"
)

// TestChain checks the chain against values computed by another program (docs/formats/journal.md).
func TestChain(t *testing.T) {
	key, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}
	entries := []struct {
		rec  journal.Record
		want string
	}{
		{journal.Record{Kind: 1, TimeMs: 1750000000000, Body: []byte("entry granted")}, "f419af8139124242e3400c23313caa63"},
		{journal.Record{Kind: 2, TimeMs: 1750000000250, OffsetMs: -20, Body: []byte("entry passed")}, "81d4d36735eef7790b62fe6051f534f3"},
		{journal.Record{Kind: 2, TimeMs: 1750000000251, OffsetMs: -20}, "abe823abaa26dd0b778c342b194d6ec4"},
	}
	var prev journal.Sum
	for i, e := range entries {
		entry := journal.Entry{Epoch: 7, Seq: uint64(i + 1), Record: e.rec, Sum: journal.Sum{1}}
		if prev = journal.Chain(key, prev, &entry); hex.EncodeToString(prev[:]) != e.want {
			t.Errorf("sum of entry %d is %x, want %s", i+1, prev, e.want)
		}
	}
}

// TestChainCoversEveryField: no field of an entry, nor key or predecessor, can change unnoticed.
func TestChainCoversEveryField(t *testing.T) {
	base := func() ([]byte, journal.Sum, journal.Entry) {
		return []byte("key"), journal.Sum{}, journal.Entry{Epoch: 1, Seq: 2, Record: journal.Record{Kind: 3, TimeMs: 4, OffsetMs: 5, Body: []byte("body")}}
	}
	key, prev, e := base()
	want := journal.Chain(key, prev, &e)
	for name, change := range map[string]func(key []byte, prev *journal.Sum, e *journal.Entry){
		"key":      func(key []byte, _ *journal.Sum, _ *journal.Entry) { key[0]++ },
		"previous": func(_ []byte, prev *journal.Sum, _ *journal.Entry) { prev[15]++ },
		"epoch":    func(_ []byte, _ *journal.Sum, e *journal.Entry) { e.Epoch++ },
		"seq":      func(_ []byte, _ *journal.Sum, e *journal.Entry) { e.Seq++ },
		"time":     func(_ []byte, _ *journal.Sum, e *journal.Entry) { e.TimeMs++ },
		"offset":   func(_ []byte, _ *journal.Sum, e *journal.Entry) { e.OffsetMs = -e.OffsetMs },
		"kind":     func(_ []byte, _ *journal.Sum, e *journal.Entry) { e.Kind++ },
		"body":     func(_ []byte, _ *journal.Sum, e *journal.Entry) { e.Body = e.Body[:3] },
	} {
		key, prev, e := base()
		change(key, &prev, &e)
		if journal.Chain(key, prev, &e) == want {
			t.Errorf("a change of %s is not noticed", name)
		}
	}
}
