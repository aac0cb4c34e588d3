package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func sample(n, body int) *wire.Batch {
	b := &wire.Batch{Epoch: 3}
	for i := range n {
		e := journal.Entry{Epoch: 3, Seq: uint64(i + 1), Record: journal.Record{
			Kind: journal.Kind(i%8 + 1), TimeMs: 1_779_000_000_000 + int64(i), OffsetMs: int32(-i), Body: bytes.Repeat([]byte{byte(i)}, body),
		}}
		e.Sum[0], e.Sum[15] = byte(i), 0xee
		b.Entries = append(b.Entries, e)
	}
	return b
}

func same(a, b *wire.Batch) bool {
	if a.Epoch != b.Epoch || len(a.Entries) != len(b.Entries) {
		return false
	}
	for i := range a.Entries {
		x, y := &a.Entries[i], &b.Entries[i]
		if x.Epoch != y.Epoch || x.Seq != y.Seq || x.TimeMs != y.TimeMs || x.OffsetMs != y.OffsetMs ||
			x.Kind != y.Kind || x.Sum != y.Sum || !bytes.Equal(x.Body, y.Body) {
			return false
		}
	}
	return true
}

func TestBatch_RoundTrip(t *testing.T) {
	for _, b := range []*wire.Batch{{}, {Epoch: 1<<32 - 1}, sample(1, 0), sample(3, 100), sample(wire.MaxBatchEntries, 1), sample(1, journal.MaxBody)} {
		raw := wire.AppendBatch([]byte("before"), b)
		if !bytes.HasPrefix(raw, []byte("before")) {
			t.Fatal("what was there is gone")
		}
		back, err := wire.DecodeBatch(raw[6:])
		if err != nil || !same(&back, b) {
			t.Fatalf("%d entries: %v", len(b.Entries), err)
		}
	}
}

// TestBatch_Layout reads the bytes by hand: the format is a contract, not what two functions agree on.
func TestBatch_Layout(t *testing.T) {
	raw := wire.AppendBatch(nil, sample(2, 5))
	const frame = 8 + 8 + 4 + 1 + 16 + 4
	if len(raw) != 9+2*(frame+5) {
		t.Fatalf("%d bytes", len(raw))
	}
	le := binary.LittleEndian
	second := raw[9+frame+5:]
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"version", uint64(raw[0]), 1}, {"epoch", uint64(le.Uint32(raw[1:])), 3}, {"count", uint64(le.Uint32(raw[5:])), 2},
		{"seq", le.Uint64(second), 2}, {"time", le.Uint64(second[8:]), 1_779_000_000_001},
		{"offset", uint64(le.Uint32(second[16:])), 1<<32 - 1}, {"kind", uint64(second[20]), 2},
		{"sum, first", uint64(second[21]), 1}, {"sum, last", uint64(second[36]), 0xee},
		{"length", uint64(le.Uint32(second[37:])), 5},
	} {
		if c.got != c.want {
			t.Errorf("%s is %d, want %d", c.what, c.got, c.want)
		}
	}
	if body := second[41:]; !bytes.Equal(body, []byte{1, 1, 1, 1, 1}) {
		t.Errorf("body %x", body)
	}
}

func TestBatch_EveryCutIsRefused(t *testing.T) {
	raw := wire.AppendBatch(nil, sample(3, 20))
	for n := range raw {
		if _, err := wire.DecodeBatch(raw[:n]); err == nil {
			t.Fatalf("%d of %d bytes were read", n, len(raw))
		}
	}
	if _, err := wire.DecodeBatch(append(raw, 0)); err == nil {
		t.Fatal("a byte behind the last entry was read")
	}
}

func TestBatch_Limits(t *testing.T) {
	if _, err := wire.DecodeBatch(wire.AppendBatch(nil, sample(wire.MaxBatchEntries+1, 0))); err == nil {
		t.Error("one entry too many was read")
	}
	if _, err := wire.DecodeBatch(wire.AppendBatch(nil, sample(1, journal.MaxBody+1))); err == nil {
		t.Error("a body over the limit was read")
	}
	huge := binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0, 0}, 1<<32-1)
	if _, err := wire.DecodeBatch(huge); err == nil {
		t.Error("four billion entries were announced and believed")
	}
}

func TestBatch_OtherVersionIsNamed(t *testing.T) {
	raw := wire.AppendBatch(nil, sample(1, 1))
	raw[0] = 2
	_, err := wire.DecodeBatch(raw)
	var said *wire.Error
	if !errors.As(err, &said) || said.Code != wire.CodeVersion {
		t.Fatalf("got %v", err)
	}
}

// TestBatch_DoesNotShareTheInput: the caller may use its buffer again.
func TestBatch_DoesNotShareTheInput(t *testing.T) {
	raw := wire.AppendBatch(nil, sample(2, 10))
	b, err := wire.DecodeBatch(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	if !same(&b, sample(2, 10)) {
		t.Fatal("the batch changed with the buffer")
	}
}

func TestEntry_DecodeBodyNamesTheEntryAndTheField(t *testing.T) {
	for _, c := range []struct {
		name, body, field string
		into              interface{ Validate() error }
	}{
		{"session", `{"id":0}`, "session_code", &ticket.Session{}},
		{"gate group", `{"id":1}`, "gate_group", &ticket.GateGroup{}},
		{"sign key", `{"id":1,"alg":"RSA"}`, "sign_key", &ticket.SignKey{}},
		{"ticket", `{"id":1}`, "ticket_code", &ticket.Ticket{}},
	} {
		e := wire.Entry{Kind: "k", Key: "77", Body: json.RawMessage(c.body)}
		err := e.DecodeBody(c.into)
		var f *ticket.FieldError
		if !errors.As(err, &f) || f.Field != c.field || !strings.Contains(err.Error(), "k 77") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, body := range []string{"", "null", "[]", `"x"`, "{", "{}"} {
		e := wire.Entry{Kind: wire.KindTicket, Key: "1", Body: json.RawMessage(body)}
		if e.DecodeBody(&ticket.Ticket{}) == nil {
			t.Errorf("%q was read as a ticket", body)
		}
	}
}

func TestKey_IsDecimal(t *testing.T) {
	if got := wire.Key(ticket.TicketID(1<<64 - 1)); got != "18446744073709551615" {
		t.Fatal(got)
	}
}

func TestError_SaysCodeAndDetail(t *testing.T) {
	err := &wire.Error{Code: wire.CodeGap, Detail: "expected 5"}
	if err.Error() != "gap: expected 5" {
		t.Fatal(err.Error())
	}
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte{})
	f.Add(wire.AppendBatch(nil, &wire.Batch{}))
	f.Add(wire.AppendBatch(nil, sample(2, 7)))
	f.Add(wire.AppendBatch(nil, sample(1, 300))[:100])
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := wire.DecodeBatch(raw)
		if err != nil {
			return
		}
		if len(b.Entries) > wire.MaxBatchEntries {
			t.Fatalf("%d entries", len(b.Entries))
		}
		if back := wire.AppendBatch(nil, &b); !bytes.Equal(back, raw) {
			t.Fatalf("read %x, written back %x", raw, back)
		}
	})
}

// FuzzDecodeBody: a body that is read can be written and read again, and means the same.
func FuzzDecodeBody(f *testing.F) {
	code := `"11010100101202605200177"`
	f.Add(0, `{"id":9,"s":1,"gg":1,"v":1,"code":`+code+`,"ty":1,"seat":"1层","o":"1","st":"valid","cr":1,"ch":"01000000000000ab00000000000000ff","e":{"c":"granted","g":1,"m":1}}`)
	f.Add(1, `{"id":1,"code":"110101001012026052001","type":"1001","start_ms":1,"end_ms":5,"admit_from_ms":1,"admit_to_ms":3,"status":"planned","mode":"lan","reentry":"none"}`)
	f.Add(2, `{"id":1,"hall":1,"home":1}`)
	f.Add(3, `{"id":1,"alg":"Ed25519","pub":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`)
	f.Add(0, `{"id":18446744073709551616}`)
	f.Fuzz(func(t *testing.T, kind int, body string) {
		kinds := []func() interface{ Validate() error }{
			func() interface{ Validate() error } { return &ticket.Ticket{} },
			func() interface{ Validate() error } { return &ticket.Session{} },
			func() interface{ Validate() error } { return &ticket.GateGroup{} },
			func() interface{ Validate() error } { return &ticket.SignKey{} },
		}
		fresh := kinds[uint(kind)%4]
		first := fresh()
		e := wire.Entry{Body: json.RawMessage(body)}
		if e.DecodeBody(first) != nil {
			return
		}
		raw, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		second := fresh()
		e.Body = raw
		if err := e.DecodeBody(second); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		again, err := json.Marshal(second)
		if err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("%s became %s, %v", raw, again, err)
		}
	})
}
