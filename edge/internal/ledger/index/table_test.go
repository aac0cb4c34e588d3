package index

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Few hashes, at both ends of one shard: long runs of colliding entries that wrap around its end.
func crowdedHash() *rapid.Generator[uint64] {
	return rapid.SampledFrom([]uint64{0, 1, 1 << 31, 0xf0000000, 0xfffffffe, 0xffffffff, 5<<56 | 0xffffffff})
}

func TestSlotTable_AgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab slotTable
		model := map[Slot]uint64{}
		hash := func(s Slot) uint64 { return model[s] }
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				s := Slot(rapid.Uint32Range(1, 60).Draw(t, "slot"))
				if _, ok := model[s]; !ok {
					model[s] = crowdedHash().Draw(t, "hash")
					tab.insert(model[s], s, hash)
				}
			},
			"remove": func(t *rapid.T) {
				s := Slot(rapid.Uint32Range(1, 60).Draw(t, "slot"))
				tab.remove(model[s], s, hash)
				delete(model, s)
			},
			"": func(t *rapid.T) {
				if n := tab.count(); n != len(model) {
					t.Fatalf("%d entries, want %d", n, len(model))
				}
				for s, h := range model {
					if got := tab.find(h, func(have Slot) bool { return have == s }); got != s {
						t.Fatalf("slot %d under %x not found", s, h)
					}
				}
			},
		})
	})
}

func TestKeyTable_AgainstAMap(t *testing.T) {
	prints := []uint32{0, 1, 0xffffff, 0xfffffe, 0x800000, 0x5ffffff}
	rapid.Check(t, func(t *rapid.T) {
		var tab keyTable
		model := map[uint64]bool{}
		draw := func(t *rapid.T) uint64 {
			return entry(rapid.SampledFrom(prints).Draw(t, "fingerprint"), Slot(rapid.Uint32Range(1, 40).Draw(t, "slot")))
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) { v := draw(t); tab.insert(v); model[v] = true },
			"remove": func(t *rapid.T) { v := draw(t); tab.remove(v); delete(model, v) },
			"": func(t *rapid.T) {
				for _, fp := range prints {
					var want []Slot
					for v := range model {
						if uint32(v>>32) == fp {
							want = append(want, Slot(v))
						}
					}
					got := tab.candidates(fp, nil)
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Fatalf("fingerprint %x: slots %v, want %v", fp, got, want)
					}
				}
			},
		})
	})
}
