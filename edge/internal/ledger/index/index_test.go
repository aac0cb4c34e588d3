package index_test

import (
	"encoding/binary"
	"math/bits"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

// hash is a hash unlike that of any other n.
func hash(n uint64) (h ticket.Hash) {
	binary.LittleEndian.PutUint64(h[:], (n+1)*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(h[8:], n)
	return h
}

// alike is another hash that the tables cannot tell from h, which they mix as low ^ rotated high.
func alike(h ticket.Hash, d uint64) ticket.Hash {
	low, high := binary.LittleEndian.Uint64(h[:]), binary.LittleEndian.Uint64(h[8:])
	binary.LittleEndian.PutUint64(h[:], low^d)
	binary.LittleEndian.PutUint64(h[8:], high^bits.RotateLeft64(d, 32))
	return h
}

func TestRow_64BytesWithoutPointers(t *testing.T) {
	if n := unsafe.Sizeof(index.Row{}); n != 64 {
		t.Fatalf("%d bytes", n)
	}
	sum := uintptr(0)
	for f := range reflect.TypeFor[index.Row]().Fields() {
		sum += f.Type.Size()
		switch f.Type.Kind() {
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Int64:
		case reflect.Array:
			if f.Type.Elem().Kind() != reflect.Uint8 {
				t.Errorf("%s is an array of %s", f.Name, f.Type.Elem())
			}
		default:
			t.Errorf("%s is a %s", f.Name, f.Type)
		}
	}
	if sum != 64 {
		t.Errorf("fields of %d bytes: padding", sum)
	}
}

func TestRow_Accessors(t *testing.T) {
	var r index.Row
	statuses := []ticket.Status{ticket.StatusValid, ticket.StatusRefunded, ticket.StatusBlocked, "", "unheard of"}
	for ty := range ticket.TicketType(18) {
		for _, st := range statuses {
			r.SetType(ty)
			r.SetStatus(st)
			wantType, wantStatus := ty, st
			if ty > 15 {
				wantType = 0
			}
			if st == "unheard of" {
				wantStatus = ""
			}
			if r.Type() != wantType || r.Status() != wantStatus {
				t.Errorf("stored %d %q, read %d %q", ty, st, r.Type(), r.Status())
			}
		}
	}
	all := []index.Flag{index.Known, index.Holds, index.Inside, index.Recalling}
	for _, f := range all {
		r.Set(f, true)
		for _, other := range all {
			if r.Has(other) != (other == f) {
				t.Errorf("flag %b set, flag %b is %v", f, other, r.Has(other))
			}
		}
		r.Set(f, false)
	}
	if r.Flags != 0 {
		t.Errorf("flags %b left", r.Flags)
	}
}

func TestIndex_Nothing(t *testing.T) {
	x := index.New()
	if s, fresh := x.Obtain(0); s != 0 || fresh {
		t.Errorf("ticket 0 has slot %d", s)
	}
	s, _ := x.Obtain(1)
	x.Link(index.KeyChip, ticket.Hash{}, s)
	x.Link(index.KeyChip, hash(1), 0)
	x.Unlink(index.KeyChip, hash(9), s)
	x.SetCredential(s, ticket.Hash{})
	x.Remove(0)
	if x.Row(0) != nil || x.Find(2) != 0 || x.FindCredential(ticket.Hash{}) != 0 || x.FindCredential(hash(1)) != 0 {
		t.Error("something is found")
	}
	if got := append(x.Candidates(index.KeyChip, ticket.Hash{}, nil), x.Candidates(index.KeyChip, hash(1), nil)...); got != nil {
		t.Errorf("slots %v", got)
	}
}

// Several tickets may share a document or pickup code, and different hashes may share a fingerprint.
func TestCandidates_Collisions(t *testing.T) {
	x := index.New()
	var want []index.Slot
	for id := range ticket.TicketID(50) {
		s, _ := x.Obtain(id + 1)
		h := hash(1)
		if id%2 == 1 {
			h = alike(h, uint64(id))
		}
		x.Link(index.KeyPickup, h, s)
		x.Link(index.KeyPickup, h, s)
		x.SetCredential(s, alike(hash(2), uint64(id)))
		want = append(want, s)
	}
	got := x.Candidates(index.KeyPickup, hash(1), nil)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("slots %v, want %v", got, want)
	}
	if got := x.Candidates(index.KeyDocument, hash(1), nil); len(got) != 0 {
		t.Fatalf("slots %v under another key", got)
	}
	for id := range uint64(50) {
		s := x.FindCredential(alike(hash(2), id))
		if s == 0 || x.Row(s).ID != ticket.TicketID(id+1) {
			t.Fatalf("credential %d is in slot %d", id, s)
		}
	}
	for i, s := range want[:49] {
		h := hash(1)
		if i%2 == 1 {
			h = alike(h, uint64(i))
		}
		x.Unlink(index.KeyPickup, h, s)
	}
	if got := x.Candidates(index.KeyPickup, hash(1), nil); !slices.Equal(got, want[49:]) {
		t.Fatalf("slots %v, want %v", got, want[49:])
	}
}

// A slot whose row lock somebody holds is not given to another ticket under his eyes.
func TestObtain_PassesOverALockedSlot(t *testing.T) {
	x := index.New()
	s, _ := x.Obtain(1)
	x.Lock(s)
	x.Remove(s)
	if other, fresh := x.Obtain(2); other == s || !fresh {
		t.Errorf("slot %d", other)
	}
	x.Unlock(s)
	if again, fresh := x.Obtain(3); again != s || !fresh || x.Len() != 2 {
		t.Errorf("slot %d, want %d", again, s)
	}
}

func TestAll_BodyMayChangeTheIndex(t *testing.T) {
	x := index.New()
	for id := range ticket.TicketID(10000) {
		x.Obtain(id + 1)
	}
	n, last := 0, index.Slot(0)
	for s := range x.All() {
		if s <= last {
			t.Fatalf("slot %d after %d", s, last)
		}
		last, n = s, n+1
		x.Lock(s)
		x.Remove(s)
		x.Unlock(s)
		x.Obtain(ticket.TicketID(20000 + n))
	}
	if n != 10000 || x.Len() != 10000 {
		t.Fatalf("%d slots seen, %d rows", n, x.Len())
	}
	for range x.All() {
		break
	}
}
