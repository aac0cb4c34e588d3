package index_test

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

// ticketModel is what a ticket's row must be, with the keys that lead to it.
type ticketModel struct {
	row  index.Row
	keys map[index.Key]map[ticket.Hash]bool
}

type model struct {
	x       *index.Index
	tickets map[ticket.TicketID]*ticketModel
}

func drawID(t *rapid.T) ticket.TicketID {
	return ticket.TicketID(rapid.Uint64Range(1, 25).Draw(t, "id"))
}

// drawHash draws one of few hashes, some of which the tables cannot tell apart.
func drawHash(t *rapid.T) ticket.Hash {
	return alike(hash(rapid.Uint64Range(0, 20).Draw(t, "hash")), rapid.Uint64Range(0, 3).Draw(t, "like"))
}

func drawKey(t *rapid.T) index.Key {
	return rapid.SampledFrom([]index.Key{index.KeyDocument, index.KeyChip, index.KeyPickup}).Draw(t, "key")
}

func (m *model) obtain(t *rapid.T) {
	id := drawID(t)
	_, known := m.tickets[id]
	s, fresh := m.x.Obtain(id)
	if fresh == known {
		t.Fatalf("ticket %d: fresh %v", id, fresh)
	}
	if !known {
		m.tickets[id] = &ticketModel{row: index.Row{ID: id}, keys: map[index.Key]map[ticket.Hash]bool{}}
	}
	tm := m.tickets[id]
	r := m.x.Row(s)
	r.Ver, r.LastMs = rapid.Uint64().Draw(t, "ver"), rapid.Int64().Draw(t, "ms")
	r.Gen, r.Hand, r.Cred, r.Used, r.Max = r.Gen+1, uint32(r.Ver), uint16(r.Ver), uint16(r.LastMs), uint16(id)
	r.Group, r.Passage = ticket.GateGroupID(r.LastMs>>16), uint8(r.Ver>>16)
	r.Lane = m.x.Lanes.Number(rapid.SampledFrom([]string{"", "1号门", "2号门", "南门"}).Draw(t, "lane"))
	r.Session = m.x.Sessions.Number(ticket.SessionID(rapid.Uint64Range(0, 5).Draw(t, "session")))
	r.Set(index.Known, r.Ver&1 == 0)
	r.SetType(ticket.TypeWork)
	r.SetStatus(ticket.StatusBlocked)
	hash := tm.row.CredHash
	tm.row = *r
	tm.row.CredHash = hash
}

// with draws a ticket that there is.
func (m *model) with(t *rapid.T) (index.Slot, *ticketModel) {
	id := drawID(t)
	tm := m.tickets[id]
	if tm == nil {
		return 0, nil
	}
	return m.x.Find(id), tm
}

func (m *model) credential(t *rapid.T) {
	if s, tm := m.with(t); tm != nil {
		tm.row.CredHash = drawHash(t)
		if rapid.IntRange(0, 3).Draw(t, "clear") == 0 {
			tm.row.CredHash = ticket.Hash{}
		}
		m.x.SetCredential(s, tm.row.CredHash)
	}
}

func (m *model) link(t *rapid.T) {
	if s, tm := m.with(t); tm != nil {
		k, h := drawKey(t), drawHash(t)
		m.x.Link(k, h, s)
		if tm.keys[k] == nil {
			tm.keys[k] = map[ticket.Hash]bool{}
		}
		tm.keys[k][h] = true
	}
}

// unlink undoes links as the ledger does: never one of two hashes that share a fingerprint alone.
func (m *model) unlink(t *rapid.T) {
	if s, tm := m.with(t); tm != nil {
		k := drawKey(t)
		for h := range tm.keys[k] {
			m.x.Unlink(k, h, s)
		}
		m.x.Unlink(k, drawHash(t), s)
		delete(tm.keys, k)
	}
}

func (m *model) remove(t *rapid.T) {
	s, tm := m.with(t)
	if tm == nil {
		return
	}
	for k, hs := range tm.keys {
		for h := range hs {
			m.x.Unlink(k, h, s)
		}
	}
	m.x.Lock(s)
	m.x.Remove(s)
	m.x.Remove(s)
	m.x.Unlock(s)
	delete(m.tickets, tm.row.ID)
}

// reload goes on with what a snapshot gives back.
func (m *model) reload(t *rapid.T) {
	var b bytes.Buffer
	n, err := m.x.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("wrote %d bytes, said %d: %v", b.Len(), n, err)
	}
	b.WriteString("what follows")
	y, err := index.Read(&b)
	if err != nil || b.String() != "what follows" {
		t.Fatalf("%d bytes left: %v", b.Len(), err)
	}
	for n := range uint16(10) {
		if y.Lanes.Name(n) != m.x.Lanes.Name(n) || y.Sessions.ID(n) != m.x.Sessions.ID(n) {
			t.Fatalf("number %d means something else", n)
		}
	}
	m.x = y
}

func (m *model) check(t *rapid.T) {
	if err := m.x.Check(); err != nil {
		t.Fatal(err)
	}
	if m.x.Len() != len(m.tickets) {
		t.Fatalf("%d rows, want %d", m.x.Len(), len(m.tickets))
	}
	seen := 0
	for s := range m.x.All() {
		seen++
		r := m.x.Row(s)
		if tm := m.tickets[r.ID]; tm == nil || *r != tm.row || m.x.Find(r.ID) != s {
			t.Fatalf("row %+v, want %+v", r, tm)
		}
		if f := m.x.FindCredential(r.CredHash); r.CredHash != (ticket.Hash{}) && (f == 0 || m.x.Row(f).CredHash != r.CredHash) {
			t.Fatalf("credential of %d not found", r.ID)
		}
		for k, hs := range m.tickets[r.ID].keys {
			for h := range hs {
				if !slices.Contains(m.x.Candidates(k, h, nil), s) {
					t.Fatalf("ticket %d not among the candidates of key %d", r.ID, k)
				}
			}
		}
	}
	if seen != len(m.tickets) {
		t.Fatalf("%d slots, want %d", seen, len(m.tickets))
	}
	for k := range index.Key(3) {
		if want := m.links(k); m.x.Links(k) != want {
			t.Fatalf("key %d: %d links, want %d", k, m.x.Links(k), want)
		}
	}
}

// links is how many different fingerprints lead to tickets by a key.
func (m *model) links(k index.Key) (n int) {
	for _, tm := range m.tickets {
		seen := map[uint64]bool{}
		for h := range tm.keys[k] {
			seen[binary.LittleEndian.Uint64(h[:])^bits.RotateLeft64(binary.LittleEndian.Uint64(h[8:]), 32)] = true
		}
		n += len(seen)
	}
	return n
}

func TestIndex_AgainstMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{x: index.New(), tickets: map[ticket.TicketID]*ticketModel{}}
		t.Repeat(map[string]func(*rapid.T){
			"obtain": m.obtain, "obtain more": m.obtain, "obtain still more": m.obtain,
			"credential": m.credential, "credential again": m.credential, "link": m.link, "unlink": m.unlink,
			"remove": m.remove, "reload": m.reload, "": m.check,
		})
	})
}
