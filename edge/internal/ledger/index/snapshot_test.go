package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"yipiao/sync/ticket"
)

// small is an index with some of everything: rows, a free slot, keys, lanes, sessions with a gap.
func small() *Index {
	x := New()
	for n := ticket.SessionID(1); n <= 3; n++ {
		x.Sessions.Number(n)
	}
	for id := ticket.TicketID(1); id <= 5; id++ {
		s, _ := x.Obtain(id)
		r := x.Row(s)
		*r = Row{ID: id, Ver: 8, Lane: x.Lanes.Number("1号门"), Session: 3, LastMs: -1, Gen: uint32(id), Bits: 0x11}
		x.SetCredential(s, ticket.Hash{byte(id)})
		x.Link(KeyChip, ticket.Hash{byte(id)}, s)
	}
	x.Unlink(KeyChip, ticket.Hash{2}, 2)
	x.Remove(2)
	x.Sessions.Drop(2)
	return x
}

func written(t testing.TB, x *Index) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := x.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A sect is one section of a snapshot made by hand.
type sect struct {
	kind uint8
	key  Key
	part int
	body []byte
}

func snapshotOf(sections ...sect) []byte {
	b := append([]byte(magic), version)
	for _, s := range sections {
		sum := append(appendHead(nil, s.kind, s.key, s.part, uint64(len(s.body))), s.body...)
		b = append(b, sum...)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(sum, castagnoli))
	}
	return b
}

func slabOf(rows ...Row) sect {
	b := make([]byte, len(rows)*rowSize)
	for i := range rows {
		rows[i].encode((*[rowSize]byte)(b[i*rowSize:]))
	}
	return sect{kind: sectionSlab, body: b}
}

func keyOf(h ticket.Hash, slots ...Slot) sect {
	s := sect{kind: sectionKey, key: KeyPickup, part: int(fingerprint(h) >> 24)}
	for _, slot := range slots {
		s.body = binary.LittleEndian.AppendUint64(s.body, entry(fingerprint(h), slot))
	}
	return s
}

var (
	noLanes    = sect{kind: sectionLanes}
	noSessions = sect{kind: sectionSessions}
	end        = sect{kind: sectionEnd}
)

func TestRead_EveryCutAndEveryFlippedBitIsAnError(t *testing.T) {
	whole := written(t, small())
	for n := range whole {
		if _, err := Read(bytes.NewReader(whole[:n])); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("cut to %d bytes of %d: %v", n, len(whole), err)
		}
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		if _, err := Read(bytes.NewReader(flipped)); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
	}
}

func TestRead_Malformed(t *testing.T) {
	slab, h := slabOf(Row{ID: 1}), ticket.Hash{1}
	strange := keyOf(h, 1)
	strange.part ^= 1
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"other magic":        append([]byte("YPINDEY"), version),
		"later version":      append([]byte(magic), version+1),
		"no end":             snapshotOf(slab, noLanes, noSessions),
		"another order":      snapshotOf(noLanes, slab, noSessions, end),
		"slab twice":         snapshotOf(slab, slab, noLanes, noSessions, end),
		"no sessions":        snapshotOf(slab, noLanes, keyOf(h, 1), end),
		"half a row":         snapshotOf(sect{kind: sectionSlab, body: make([]byte, 32)}, noLanes, noSessions, end),
		"lane cut":           snapshotOf(slab, sect{kind: sectionLanes, body: []byte{1, 0, 1}}, noSessions, end),
		"lane beyond":        snapshotOf(slab, sect{kind: sectionLanes, body: []byte{1, 0, 2, 0, 'a'}}, noSessions, end),
		"lane 0":             snapshotOf(slab, sect{kind: sectionLanes, body: []byte{0, 0, 1, 0, 'a'}}, noSessions, end),
		"lane without name":  snapshotOf(slab, sect{kind: sectionLanes, body: []byte{1, 0, 0, 0}}, noSessions, end),
		"lane name twice":    snapshotOf(slab, sect{kind: sectionLanes, body: []byte{1, 0, 1, 0, 'a', 2, 0, 1, 0, 'a'}}, noSessions, end),
		"session cut":        snapshotOf(slab, noLanes, sect{kind: sectionSessions, body: make([]byte, 9)}, end),
		"session 0":          snapshotOf(slab, noLanes, sect{kind: sectionSessions, body: []byte{1, 9: 0}}, end),
		"session number 0":   snapshotOf(slab, noLanes, sect{kind: sectionSessions, body: []byte{0, 0, 1, 9: 0}}, end),
		"sessions backwards": snapshotOf(slab, noLanes, sect{kind: sectionSessions, body: []byte{2, 0, 1, 9: 0, 10: 1, 12: 2, 19: 0}}, end),
		"unknown key":        snapshotOf(slab, noLanes, noSessions, sect{kind: sectionKey, key: keys}, end),
		"unknown shard":      snapshotOf(slab, noLanes, noSessions, sect{kind: sectionKey, part: shards}, end),
		"unknown section":    snapshotOf(slab, noLanes, noSessions, sect{kind: 9}, end),
		"half an entry":      snapshotOf(slab, noLanes, noSessions, sect{kind: sectionKey, body: make([]byte, 4)}, end),
		"entry of another":   snapshotOf(slab, noLanes, noSessions, strange, end),
		"end with a body":    snapshotOf(slab, noLanes, noSessions, sect{kind: sectionEnd, body: []byte{1}}),
	} {
		if x, err := Read(bytes.NewReader(b)); !errors.Is(err, ErrSnapshot) || x != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What may come of writing beside changes is put right.
func TestRead_MomentsThatDiffer(t *testing.T) {
	h := ticket.Hash{7}
	session := sect{kind: sectionSessions, body: []byte{2, 0, 77, 9: 0}}
	x, err := Read(bytes.NewReader(snapshotOf(slabOf(
		Row{ID: 5, Session: 2, Ver: 1, CredHash: ticket.Hash{5}}, // slot 1: removed after it was copied
		Row{ID: 6, Session: 1},                  // slot 2: its session was dropped
		Row{Ver: 3},                             // slot 3: free, not zero
		Row{ID: 5, Session: 2, Ver: 2, Lane: 9}, // slot 4: came back; a lane without a name
		Row{ID: 8, CredHash: ticket.Hash{5}},    // slot 5
	), noLanes, session, keyOf(h, 1, 2, 3, 4, 4, 0, 900), keyOf(h, 5), end)))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Check(); err != nil {
		t.Fatal(err)
	}
	if x.Len() != 2 || x.Find(5) != 4 || x.Find(6) != 0 || x.Find(8) != 5 || x.FindCredential(ticket.Hash{5}) != 5 {
		t.Errorf("%d rows, ticket 5 in slot %d", x.Len(), x.Find(5))
	}
	if want := (Row{ID: 5, Session: 2, Ver: 2}); *x.Row(4) != want {
		t.Errorf("row %+v, want %+v", *x.Row(4), want)
	}
	if got := x.Candidates(KeyPickup, h, nil); len(got) != 2 || got[0]+got[1] != 9 {
		t.Errorf("slots %v", got)
	}
	if n := x.Sessions.Number(78); n != 1 || x.Sessions.ID(2) != 77 {
		t.Errorf("number %d for a new session", n)
	}
}

func TestRead_ALyingLengthCostsNothing(t *testing.T) {
	for _, s := range []sect{slabOf(Row{ID: 1}), noLanes, noSessions, keyOf(ticket.Hash{1}, 1)} {
		sections := []sect{slabOf(Row{ID: 1}), noLanes, noSessions}
		b := snapshotOf(sections[:min(int(s.kind)-1, 3)]...)
		b = appendHead(b, s.kind, s.key, s.part, 64<<30)
		b = append(b, make([]byte, 1000)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(bytes.NewReader(b))
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrSnapshot) || n > 4<<20 {
			t.Errorf("section %d: %d bytes, %v", s.kind, n, err)
		}
	}
}

func TestSnapshot_ErrorsOfReaderAndWriter(t *testing.T) {
	broken := errors.New("broken disk")
	whole := written(t, small())
	for n := range whole {
		_, err := Read(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, ErrSnapshot) {
			t.Fatalf("reading after %d bytes: %v", n, err)
		}
		got, err := small().WriteTo(&limited{left: n, err: broken})
		if !errors.Is(err, broken) || got != int64(n) {
			t.Fatalf("writing after %d bytes: %d, %v", n, got, err)
		}
	}
}

// limited takes left bytes and then fails.
type limited struct {
	left int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	if l.left -= n; n < len(b) {
		return n, l.err
	}
	return n, nil
}

// A session's number is not given to another while a snapshot is written: a row copied before would
// become that session's.
func TestWriteTo_KeepsDroppedNumbersBack(t *testing.T) {
	x := small()
	w := &during{do: func() {
		x.Sessions.Drop(3)
		if n := x.Sessions.Number(99); n == 3 {
			t.Error("number 3 was given again")
		}
	}}
	if _, err := x.WriteTo(w); err != nil {
		t.Fatal(err)
	}
	y, err := Read(&w.b)
	if err != nil || y.Len() != 0 { // all rows were of session 3
		t.Fatalf("%d rows: %v", y.Len(), err)
	}
	if n := x.Sessions.Number(100); n != 3 {
		t.Errorf("number %d after the snapshot, want 3", n)
	}
}

// during does something once a snapshot has been begun, before its rows have been copied.
type during struct {
	b  bytes.Buffer
	do func()
}

func (d *during) Write(b []byte) (int, error) {
	if d.do != nil {
		d.do()
		d.do = nil
	}
	return d.b.Write(b)
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, small()), false)
	f.Add(snapshotOf(slabOf(Row{ID: 1, CredHash: ticket.Hash{1}}, Row{ID: 1, Session: 4}), noLanes, noSessions, keyOf(ticket.Hash{1}, 1, 2), end), true)
	f.Add(snapshotOf(slabOf(), noLanes, noSessions, end), true)
	f.Fuzz(func(t *testing.T, b []byte, sums bool) {
		if sums {
			setSums(b)
		}
		x, err := Read(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Fatal(err)
			}
			return
		}
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
		again := written(t, x)
		y, err := Read(bytes.NewReader(again))
		if err != nil || y.Check() != nil || y.Len() != x.Len() || !bytes.Equal(written(t, y)[:len(magic)+1+headSize], again[:len(magic)+1+headSize]) {
			t.Fatalf("written again: %v", err)
		}
	})
}

// setSums makes the sums of all sections right, so that fuzzing gets behind them.
func setSums(b []byte) {
	for at := len(magic) + 1; at+headSize < len(b); {
		n := binary.LittleEndian.Uint64(b[at+4:])
		if n > uint64(len(b)) || at+headSize+int(n)+4 > len(b) {
			return
		}
		stop := at + headSize + int(n)
		binary.LittleEndian.PutUint32(b[stop:], crc32.Checksum(b[at:stop], castagnoli))
		at = stop + 4
	}
}
