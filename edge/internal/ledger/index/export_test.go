package index

import "fmt"

// Check tells what is wrong inside an index that nobody changes, nil for nothing.
func (x *Index) Check() error {
	linked := 0
	for s := Slot(1); s < x.next; s++ {
		r := x.Row(s)
		if r.ID == 0 && *r != (Row{}) {
			return fmt.Errorf("slot %d is free and not empty", s)
		}
		if r.ID != 0 && seek(x.ids[mixID(r.ID)>>56].e, uint32(s), slotHome(mixID(r.ID), len(x.ids[mixID(r.ID)>>56].e))) < 0 {
			return fmt.Errorf("slot %d is not found by id", s)
		}
		if r.CredHash != ([16]byte{}) {
			linked++
			h := mixHash(r.CredHash)
			if seek(x.creds[h>>56].e, uint32(s), slotHome(h, len(x.creds[h>>56].e))) < 0 {
				return fmt.Errorf("slot %d is not found by credential", s)
			}
		}
	}
	for _, s := range x.free {
		if s == 0 || s >= x.next || x.Row(s).ID != 0 {
			return fmt.Errorf("slot %d is in the free list", s)
		}
	}
	if n := x.ids.count(); n != x.Len() {
		return fmt.Errorf("%d ids, %d rows", n, x.Len())
	}
	if n := x.creds.count(); n != linked {
		return fmt.Errorf("%d credentials in the table, %d in rows", n, linked)
	}
	return nil
}

// count is the number of entries, -1 if a shard counts wrong or is too full.
func (t *slotTable) count() (n int) {
	for i := range t {
		have := 0
		for _, s := range t[i].e {
			if s != 0 {
				have++
			}
		}
		if have != t[i].n || have*5 > len(t[i].e)*4 {
			return -1
		}
		n += have
	}
	return n
}

// Links is the number of entries under a key.
func (x *Index) Links(k Key) (n int) {
	for i := range x.links[k] {
		n += x.links[k][i].n
	}
	return n
}
