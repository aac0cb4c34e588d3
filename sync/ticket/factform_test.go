package ticket_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"yipiao/sync/ticket"
)

// anAdmission is a typical fact: a scan at a lane with a gate, the example of docs/formats/fact.md.
func anAdmission() ticket.Fact {
	counter := uint32(411)
	return ticket.Fact{
		Ticket: 2000417, Session: 301, Gen: 1, Used: 1, Inside: true, Gated: true, PermitS: 8, Lane: "1号通道", Device: "scanner-1",
		Counter: &counter, Verdict: &ticket.Verdict{Reason: ticket.Admitted, N: 1, Of: 1},
	}
}

// atAHandheld is a typical fact with a nonce, as handhelds make them.
func atAHandheld() ticket.Fact {
	f := anAdmission()
	f.Gated, f.PermitS, f.Counter, f.Lane, f.Device = false, 0, nil, "2号门", "handheld-3"
	f.Nonce, f.Request = &ticket.Nonce{0: 0xa5, 15: 0x5a}, &ticket.Hash{0: 0xc3, 15: 0x3c}
	return f
}

func anUncommonFact() ticket.Fact {
	counter := uint32(0)
	return ticket.Fact{
		Ticket: 1<<64 - 1, Session: 1 << 63, Gen: 1<<32 - 1, Used: 1<<16 - 1, PermitS: 255, Lane: strings.Repeat("长", 100), Device: "\xff",
		Counter: &counter, Nonce: new(ticket.Nonce), Request: new(ticket.Hash), Of: 1 << 40, PrevMs: -1, PrevAt: "2号门", WasIn: true, Unsync: true,
		Verdict: &ticket.Verdict{Reason: "of a later version", N: 1<<16 - 1, Of: 3, AtMs: -1 << 63, Where: strings.Repeat("远", 90)},
	}
}

func facts() []ticket.Fact {
	return []ticket.Fact{
		{}, {Verdict: new(ticket.Verdict)}, {PrevMs: 1<<63 - 1}, {Inside: true}, anAdmission(), atAHandheld(), anUncommonFact(),
	}
}

func TestFact_RoundTrip(t *testing.T) {
	check := func(t rapidOrTest, r *ticket.FactReader, f *ticket.Fact) {
		prefix := []byte("in front")
		body := f.Append(bytes.Clone(prefix))[len(prefix):]
		got := anUncommonFact() // must be reset
		if err := got.Decode(body); err != nil || !reflect.DeepEqual(got, *f) {
			t.Fatalf("%x is %+v, want %+v: %v", body, got, *f, err)
		}
		if err := r.Fact(body, &got); err != nil || !reflect.DeepEqual(got, *f) {
			t.Fatalf("read again: %x is %+v, want %+v: %v", body, got, *f, err)
		}
		clear(body)
		if !reflect.DeepEqual(got, *f) {
			t.Fatalf("the fact changed with its body: %+v", got)
		}
	}
	var r ticket.FactReader
	for _, f := range facts() {
		check(t, &r, &f)
	}
	every := rapid.Make[ticket.Fact]()
	rapid.Check(t, func(t *rapid.T) {
		f := every.Draw(t, "fact")
		check(t, &r, &f)
	})
}

type rapidOrTest interface {
	Fatalf(format string, args ...any)
}

func TestNote_RoundTrip(t *testing.T) {
	every := rapid.Make[ticket.Note]()
	rapid.Check(t, func(t *rapid.T) {
		n := every.Draw(t, "note")
		got := ticket.Note{Subject: "before", Count: 1, Value: 1}
		if err := got.Decode(n.Append(nil)); err != nil || got != n {
			t.Fatalf("decoded %+v, want %+v: %v", got, n, err)
		}
	})
	n := ticket.Note{Subject: "clock", State: "measured", Value: -3}
	if b := n.Append(nil); len(b) != 19 || b[len(b)-1] != 5 {
		t.Fatalf("%x: a small negative number is not small", b)
	}
}

// An older program reads what a newer one wrote.
func TestDecode_UnknownFieldsAreSkipped(t *testing.T) {
	newer := func(b []byte) []byte {
		b = protowire.AppendVarint(protowire.AppendTag(b, 900, protowire.VarintType), 7)
		b = protowire.AppendBytes(protowire.AppendTag(b, 901, protowire.BytesType), []byte("later"))
		b = protowire.AppendFixed32(protowire.AppendTag(b, 902, protowire.Fixed32Type), 7)
		b = protowire.AppendFixed64(protowire.AppendTag(b, 19, protowire.Fixed64Type), 7)
		return protowire.AppendGroup(protowire.AppendTag(b, 20, protowire.StartGroupType), 20, nil)
	}
	verdict := newer(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), string(ticket.Admitted)))
	want := anUncommonFact()
	want.Verdict = &ticket.Verdict{Reason: ticket.Admitted}
	body := newer(want.Append(newer(nil)))
	body = protowire.AppendBytes(protowire.AppendTag(body, 11, protowire.BytesType), verdict) // and the last counts
	var f ticket.Fact
	if err := f.Decode(body); err != nil || !reflect.DeepEqual(f, want) {
		t.Fatalf("%+v, want %+v: %v", f, want, err)
	}
	n, note := ticket.Note{Subject: "gate", Value: 9}, ticket.Note{}
	if err := note.Decode(newer(n.Append(newer(nil)))); err != nil || note != n {
		t.Fatalf("%+v, want %+v: %v", note, n, err)
	}
}

func TestDecode_ErrorsNameWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ body, where, why string }{ // body in hex
		{"08", "ticket: fact: field 1 (ticket): ", "unexpected EOF"},
		{"08ffffffffffffffffff7f", "ticket: fact: field 1 (ticket): ", "variable length integer overflow"},
		{"0a00", "ticket: fact: field 1 (ticket): ", "wire type 2, want 0"},
		{"4001", "ticket: fact: field 8 (lane): ", "wire type 0, want 2"},
		{"42056c", "ticket: fact: field 8 (lane): ", "unexpected EOF"},
		{"188080808010", "ticket: fact: field 3 (gen): ", "4294967296 is over 4294967295"},
		{"20808004", "ticket: fact: field 4 (used): ", "65536 is over 65535"},
		{"388002", "ticket: fact: field 7 (permit_s): ", "256 is over 255"},
		{"2802", "ticket: fact: field 5 (inside): ", "neither 0 nor 1"},
		{"620101", "ticket: fact: field 12 (nonce): ", "1 bytes, want 16"},
		{"6a00", "ticket: fact: field 13 (request): ", "0 bytes, want 16"},
		{"5a0410808004", "ticket: fact: field 11 (verdict): verdict: field 2 (n): ", "65536 is over 65535"},
		{"5a0108", "ticket: fact: field 11 (verdict): verdict: field 1 (reason): ", "wire type 0, want 2"},
		{"00", "ticket: fact: tag of a field: ", "invalid field number"},
		{"80", "ticket: fact: tag of a field: ", "unexpected EOF"},
		{"a401", "ticket: fact: field 20 (unknown): ", "mismatching end group marker"},
		{"0f", "ticket: fact: field 1 (ticket): ", "wire type 7, want 0"},
	} {
		b, err := hex.DecodeString(c.body)
		if err != nil {
			t.Fatal(err)
		}
		f := anUncommonFact()
		if err := f.Decode(b); err == nil || !strings.HasPrefix(err.Error(), c.where) || !strings.HasSuffix(err.Error(), c.why) || !reflect.DeepEqual(f, ticket.Fact{}) {
			t.Errorf("%s: %v, want %s%s; %+v", c.body, err, c.where, c.why, f)
		}
	}
	n := ticket.Note{Subject: "before"}
	if err := n.Decode([]byte{0x08, 1}); err == nil || err.Error() != "ticket: note: field 1 (subject): wire type 0, want 2" || n != (ticket.Note{}) {
		t.Errorf("note: %v, %+v", err, n)
	}
}

// A FactReader keeps a bounded number of names, whatever it is fed.
func TestFactReader_SharesNames(t *testing.T) {
	var r ticket.FactReader
	f, out := ticket.Fact{}, ticket.Fact{}
	for i := range 3000 {
		f.Lane = strconv.Itoa(i)
		if err := r.Fact(f.Append(nil), &out); err != nil || out.Lane != f.Lane {
			t.Fatalf("lane %q, want %q: %v", out.Lane, f.Lane, err)
		}
	}
	allocated := func(lane string) float64 {
		f.Lane = lane
		body := f.Append(nil)
		return testing.AllocsPerRun(20, func() { _ = r.Fact(body, &out) })
	}
	if old, late := allocated("17"), allocated("2999"); old != 0 || late != 1 {
		t.Fatalf("%v allocations for an early name, want 0; %v for one over the bound, want 1", old, late)
	}
}

// The gate path must not allocate to encode; a replay allocates once for a fact, for what it points to.
func TestFact_Allocations(t *testing.T) {
	room, note := make([]byte, 0, 1024), ticket.Note{Subject: "clock", Value: -3}
	var r ticket.FactReader
	for _, f := range facts()[3:] {
		if n := testing.AllocsPerRun(20, func() { f.Append(room); note.Append(room) }); n != 0 {
			t.Errorf("Append: %v allocations", n)
		}
	}
	for _, f := range []ticket.Fact{anAdmission(), atAHandheld()} {
		body, out := f.Append(nil), ticket.Fact{}
		if n := testing.AllocsPerRun(20, func() { _ = r.Fact(body, &out) }); n != 1 {
			t.Errorf("FactReader: %v allocations, want 1", n)
		}
	}
}

const factDocument = "../../docs/formats/fact.md"

func TestFact_DocumentedExample(t *testing.T) {
	text, err := os.ReadFile(factDocument)
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for _, line := range regexp.MustCompile(`(?m)^    ((?:[0-9a-f]{2} ?)+)(?:  .*)?$`).FindAllSubmatch(text, -1) {
		digits.Write(bytes.ReplaceAll(line[1], []byte(" "), nil))
	}
	want := anAdmission()
	if got := hex.EncodeToString(want.Append(nil)); got != digits.String() {
		t.Fatalf("the document has\n%s, encoded is\n%s", digits.String(), got)
	}
}

// TestForm_IsWhatTheDocumentSays: every field of the schema has its number, its name and its wire type
// in Decode, and no number that the schema does not have is known.
func TestForm_IsWhatTheDocumentSays(t *testing.T) {
	text, err := os.ReadFile(factDocument)
	if err != nil {
		t.Fatal(err)
	}
	decode := map[string]func([]byte) error{
		"Fact": new(ticket.Fact).Decode, "Note": new(ticket.Note).Decode,
		"Verdict": func(b []byte) error {
			return new(ticket.Fact).Decode(protowire.AppendBytes(protowire.AppendTag(nil, 11, protowire.BytesType), b))
		},
	}
	fieldLine := regexp.MustCompile(`(?m)^  (?:optional )?(\w+) (\w+) = (\d+);`)
	found := regexp.MustCompile(`(?ms)^message (\w+) \{\n(.*?)^\}`).FindAllStringSubmatch(string(text), -1)
	if len(found) != len(decode) {
		t.Fatalf("%d messages in the document", len(found))
	}
	for _, message := range found {
		known := make(map[int]bool)
		for _, f := range fieldLine.FindAllStringSubmatch(message[2], -1) {
			num, _ := strconv.Atoi(f[3])
			known[num] = true
			right, wrong := protowire.VarintType, protowire.BytesType
			if f[1] == "string" || f[1] == "bytes" || f[1] == "Verdict" {
				right, wrong = wrong, right
			}
			if err := decode[message[1]](protowire.AppendTag(nil, protowire.Number(num), wrong)); err == nil || !strings.Contains(err.Error(), "field "+f[3]+" ("+f[2]+"): wire type ") {
				t.Errorf("%s: %s: %v", message[1], f[0], err)
			}
			if err := decode[message[1]](protowire.AppendTag(nil, protowire.Number(num), right)); err == nil || strings.Contains(err.Error(), "wire type") {
				t.Errorf("%s: %s: %v", message[1], f[0], err)
			}
		}
		for num := 1; num < 40; num++ {
			if err := decode[message[1]](protowire.AppendVarint(protowire.AppendTag(nil, protowire.Number(num), protowire.Fixed32Type), 0)); !known[num] && strings.Contains(err.Error(), "wire type") {
				t.Errorf("%s: field %d is not in the document", message[1], num)
			}
		}
	}
}

func FuzzFact(f *testing.F) {
	for _, x := range facts() {
		f.Add(x.Append(nil))
	}
	f.Add([]byte{0x5a, 0x04, 0x10, 0x80, 0x80, 0x04})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r ticket.FactReader
		var first, second ticket.Fact
		if err := r.Fact(b, &first); err != nil {
			if !reflect.DeepEqual(first, ticket.Fact{}) {
				t.Fatalf("%v, and yet %+v", err, first)
			}
			return
		}
		again := first.Append(nil)
		if len(again) > len(b) {
			t.Fatalf("%x became longer: %x", b, again)
		}
		if err := second.Decode(again); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%+v, and again %+v: %v", first, second, err)
		}
	})
}

func FuzzNote(f *testing.F) {
	n := ticket.Note{Subject: "gate", State: "lost", Was: "ok", Text: "no answer", Count: 3, Value: -3}
	f.Add(n.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second ticket.Note
		if first.Decode(b) != nil {
			return
		}
		if err := second.Decode(first.Append(nil)); err != nil || first != second {
			t.Fatalf("%+v, and again %+v: %v", first, second, err)
		}
	})
}
