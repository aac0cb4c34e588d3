package ticket

import "google.golang.org/protobuf/encoding/protowire"

// Bodies of journal entries are protobuf messages without a generated program: docs/formats/fact.md
// has the schema. A field's number is part of the format: a number is never used again for anything
// else, not even after its field is gone. 1 to 15 cost one byte, so they are for what most facts have.

// Fields of a Fact.
const (
	factTicket  protowire.Number = 1
	factSession protowire.Number = 2
	factGen     protowire.Number = 3
	factUsed    protowire.Number = 4
	factInside  protowire.Number = 5
	factGated   protowire.Number = 6
	factPermitS protowire.Number = 7
	factLane    protowire.Number = 8
	factDevice  protowire.Number = 9
	factCounter protowire.Number = 10 // there when it is not nil, so 0 is written
	factVerdict protowire.Number = 11
	factNonce   protowire.Number = 12
	factRequest protowire.Number = 13
	factOf      protowire.Number = 14
	factPrevMs  protowire.Number = 15
	factPrevAt  protowire.Number = 16
	factWasIn   protowire.Number = 17
	factUnsync  protowire.Number = 18
)

// Fields of a Verdict in a Fact.
const (
	verdictReason protowire.Number = 1
	verdictN      protowire.Number = 2
	verdictOf     protowire.Number = 3
	verdictAtMs   protowire.Number = 4
	verdictWhere  protowire.Number = 5
)

// Fields of a Note.
const (
	noteSubject protowire.Number = 1
	noteState   protowire.Number = 2
	noteWas     protowire.Number = 3
	noteText    protowire.Number = 4
	noteCount   protowire.Number = 5
	noteValue   protowire.Number = 6 // zigzag: clocks are set back as often as forward
)

// A form is what is known of a message: its fields, at the index of their numbers.
type form struct {
	name   string
	fields []fieldForm
}

type fieldForm struct {
	name string // "" for a number that is not known
	typ  protowire.Type
}

const (
	varint = protowire.VarintType
	length = protowire.BytesType
)

var factForm = form{"ticket: fact", []fieldForm{
	factTicket: {"ticket", varint}, factSession: {"session", varint}, factGen: {"gen", varint}, factUsed: {"used", varint},
	factInside: {"inside", varint}, factGated: {"gated", varint}, factPermitS: {"permit_s", varint}, factLane: {"lane", length},
	factDevice: {"device", length}, factCounter: {"counter", varint}, factVerdict: {"verdict", length}, factNonce: {"nonce", length},
	factRequest: {"request", length}, factOf: {"of", varint}, factPrevMs: {"prev_ms", varint}, factPrevAt: {"prev_at", length},
	factWasIn: {"was_in", varint}, factUnsync: {"unsync", varint},
}}

var verdictForm = form{"verdict", []fieldForm{
	verdictReason: {"reason", length}, verdictN: {"n", varint}, verdictOf: {"of", varint}, verdictAtMs: {"at_ms", varint},
	verdictWhere: {"where", length},
}}

var noteForm = form{"ticket: note", []fieldForm{
	noteSubject: {"subject", length}, noteState: {"state", length}, noteWas: {"was", length}, noteText: {"text", length},
	noteCount: {"count", varint}, noteValue: {"value", varint},
}}

func (m *form) known(num protowire.Number) bool {
	return int(num) < len(m.fields) && m.fields[num].name != ""
}

// Append adds the body of the entry to b (docs/formats/fact.md) and returns the longer slice. It
// allocates only when b has no room. Equal facts have equal bodies.
func (f *Fact) Append(b []byte) []byte {
	b = appendNumber(b, factTicket, uint64(f.Ticket))
	b = appendNumber(b, factSession, uint64(f.Session))
	b = appendNumber(b, factGen, uint64(f.Gen))
	b = appendNumber(b, factUsed, uint64(f.Used))
	b = appendBool(b, factInside, f.Inside)
	b = appendBool(b, factGated, f.Gated)
	b = appendNumber(b, factPermitS, uint64(f.PermitS))
	b = appendText(b, factLane, f.Lane)
	b = appendText(b, factDevice, f.Device)
	if f.Counter != nil {
		b = protowire.AppendTag(b, factCounter, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(*f.Counter))
	}
	if f.Verdict != nil {
		b = protowire.AppendTag(b, factVerdict, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(f.Verdict.size()))
		b = f.Verdict.append(b)
	}
	if f.Nonce != nil {
		b = protowire.AppendTag(b, factNonce, protowire.BytesType)
		b = protowire.AppendBytes(b, f.Nonce[:])
	}
	if f.Request != nil {
		b = protowire.AppendTag(b, factRequest, protowire.BytesType)
		b = protowire.AppendBytes(b, f.Request[:])
	}
	b = appendNumber(b, factOf, f.Of)
	b = appendNumber(b, factPrevMs, uint64(f.PrevMs))
	b = appendText(b, factPrevAt, f.PrevAt)
	b = appendBool(b, factWasIn, f.WasIn)
	return appendBool(b, factUnsync, f.Unsync)
}

// append adds the message to b; size is its length, which goes in front of it.
func (v *Verdict) append(b []byte) []byte {
	b = appendText(b, verdictReason, string(v.Reason))
	b = appendNumber(b, verdictN, uint64(v.N))
	b = appendNumber(b, verdictOf, uint64(v.Of))
	b = appendNumber(b, verdictAtMs, uint64(v.AtMs))
	return appendText(b, verdictWhere, v.Where)
}

func (v *Verdict) size() int {
	return sizeText(verdictReason, string(v.Reason)) + sizeNumber(verdictN, uint64(v.N)) + sizeNumber(verdictOf, uint64(v.Of)) +
		sizeNumber(verdictAtMs, uint64(v.AtMs)) + sizeText(verdictWhere, v.Where)
}

// Append adds the body of the entry to b (docs/formats/fact.md) and returns the longer slice. It
// allocates only when b has no room. Equal notes have equal bodies.
func (n *Note) Append(b []byte) []byte {
	b = appendText(b, noteSubject, n.Subject)
	b = appendText(b, noteState, n.State)
	b = appendText(b, noteWas, n.Was)
	b = appendText(b, noteText, n.Text)
	b = appendNumber(b, noteCount, uint64(n.Count))
	return appendNumber(b, noteValue, protowire.EncodeZigZag(n.Value))
}

func appendNumber(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func sizeNumber(num protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeVarint(v)
}

func appendBool(b []byte, num protowire.Number, v bool) []byte {
	return appendNumber(b, num, protowire.EncodeBool(v))
}

func appendText(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func sizeText(num protowire.Number, s string) int {
	if s == "" {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeBytes(len(s))
}
