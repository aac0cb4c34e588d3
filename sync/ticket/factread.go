package ticket

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// A FactReader decodes facts without making a new string for every lane, device and place that it has
// seen before. The zero value is ready; it must not be used by two goroutines at once. It keeps at
// most 1,024 names of at most 64 bytes.
type FactReader struct{ names map[string]string }

const (
	maxNames   = 1024
	maxNameLen = 64
)

// Fact sets f to what the body of an entry says. Fields of unknown numbers, which a newer program
// wrote, are skipped; where a field comes twice, the last counts. f keeps nothing of b. An error names
// the field and leaves f zero. The work and the memory are bounded by the length of b.
func (r *FactReader) Fact(b []byte, f *Fact) error {
	*f = Fact{}
	d := factDecoder{names: r, fact: f}
	if err := d.all(b); err != nil {
		*f = Fact{}
		return err
	}
	return nil
}

// Decode is Fact of an empty FactReader: for one body, not for many.
func (f *Fact) Decode(b []byte) error { return (*FactReader)(nil).Fact(b, f) }

// Decode sets n to what the body of an entry says. Fields of unknown numbers are skipped; where a
// field comes twice, the last counts. n keeps nothing of b. An error names the field and leaves n zero.
func (n *Note) Decode(b []byte) error {
	*n = Note{}
	var fd field
	for {
		rest, err := noteForm.next(b, &fd)
		if err != nil {
			*n = Note{}
			return err
		}
		if fd.num == 0 {
			return nil
		}
		n.field(&fd)
		b = rest
	}
}

// name returns the text of b, shared if the reader has seen it before.
func (r *FactReader) name(b []byte) string {
	if r == nil || len(b) > maxNameLen {
		return string(b)
	}
	if s, ok := r.names[string(b)]; ok { // looking it up allocates nothing
		return s
	}
	s := string(b)
	if r.names == nil {
		r.names = make(map[string]string)
	}
	if len(r.names) < maxNames {
		r.names[s] = s
	}
	return s
}

var reasonNames = sync.OnceValue(func() map[string]Reason {
	m := make(map[string]Reason, len(catalogue()))
	for r := range catalogue() {
		m[string(r)] = r
	}
	return m
})

// reason returns the reason of b, shared if it is in the catalogue.
func reason(b []byte) Reason {
	if r, ok := reasonNames()[string(b)]; ok {
		return r
	}
	return Reason(b)
}

// A field is one field of a message: v is its value if it is a number, b otherwise.
type field struct {
	num protowire.Number
	v   uint64
	b   []byte
}

// next cuts the next known field off b and puts it into fd. Number 0 says that there is none.
func (m *form) next(b []byte, fd *field) (rest []byte, err error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, fmt.Errorf("%s: tag of a field: %w", m.name, protowire.ParseError(n))
		}
		b = b[n:]
		fd.num = num
		known := m.known(num)
		switch {
		case !known:
			n = protowire.ConsumeFieldValue(num, typ, b)
		case typ != m.fields[num].typ:
			return nil, m.fail(num, fmt.Errorf("wire type %d, want %d", typ, m.fields[num].typ))
		case typ == varint:
			fd.v, n = protowire.ConsumeVarint(b)
		default:
			fd.b, n = protowire.ConsumeBytes(b)
		}
		if n < 0 {
			return nil, m.fail(num, protowire.ParseError(n))
		}
		b = b[n:]
		if known {
			return b, nil
		}
	}
	fd.num = 0
	return nil, nil
}

func (m *form) fail(num protowire.Number, err error) error {
	name := "unknown"
	if m.known(num) {
		name = m.fields[num].name
	}
	return fmt.Errorf("%s: field %d (%s): %w", m.name, num, name, err)
}

// A factDecoder decodes into fact.
type factDecoder struct {
	names *FactReader
	fact  *Fact
	parts *factParts
}

// factParts is everything that a Fact points to: one allocation, not four.
type factParts struct {
	counter uint32
	nonce   Nonce
	request Hash
	verdict Verdict
}

func (d *factDecoder) room() *factParts {
	if d.parts == nil {
		d.parts = new(factParts)
	}
	return d.parts
}

func (d *factDecoder) all(b []byte) error {
	var fd field
	for {
		rest, err := factForm.next(b, &fd)
		if err != nil || fd.num == 0 {
			return err
		}
		if err := d.field(&fd); err != nil {
			return factForm.fail(fd.num, err)
		}
		b = rest
	}
}

func (d *factDecoder) field(fd *field) error {
	if factForm.fields[fd.num].typ == varint {
		return d.number(fd)
	}
	f := d.fact
	switch fd.num {
	case factLane:
		f.Lane = d.names.name(fd.b)
	case factDevice:
		f.Device = d.names.name(fd.b)
	case factPrevAt:
		f.PrevAt = d.names.name(fd.b)
	case factVerdict:
		f.Verdict = &d.room().verdict
		return d.verdict(fd.b)
	case factNonce:
		f.Nonce = &d.room().nonce
		return exactly(f.Nonce[:], fd.b)
	case factRequest:
		f.Request = &d.room().request
		return exactly(f.Request[:], fd.b)
	default: // next returns no other number
	}
	return nil
}

func (d *factDecoder) number(fd *field) error {
	f := d.fact
	switch fd.num {
	case factTicket:
		f.Ticket = TicketID(fd.v)
	case factSession:
		f.Session = SessionID(fd.v)
	case factGen:
		return narrow(&f.Gen, fd.v)
	case factUsed:
		return narrow(&f.Used, fd.v)
	case factInside:
		return truth(&f.Inside, fd.v)
	case factGated:
		return truth(&f.Gated, fd.v)
	case factPermitS:
		return narrow(&f.PermitS, fd.v)
	case factCounter:
		f.Counter = &d.room().counter
		return narrow(f.Counter, fd.v)
	case factOf:
		f.Of = fd.v
	case factPrevMs:
		f.PrevMs = int64(fd.v)
	case factWasIn:
		return truth(&f.WasIn, fd.v)
	case factUnsync:
		return truth(&f.Unsync, fd.v)
	default: // next returns no other number
	}
	return nil
}

func (d *factDecoder) verdict(b []byte) error {
	v := d.fact.Verdict
	*v = Verdict{}
	var fd field
	for {
		rest, err := verdictForm.next(b, &fd)
		if err != nil || fd.num == 0 {
			return err
		}
		if err := d.names.verdictField(v, &fd); err != nil {
			return verdictForm.fail(fd.num, err)
		}
		b = rest
	}
}

func (r *FactReader) verdictField(v *Verdict, fd *field) error {
	switch fd.num {
	case verdictReason:
		v.Reason = reason(fd.b)
	case verdictN:
		return narrow(&v.N, fd.v)
	case verdictOf:
		return narrow(&v.Of, fd.v)
	case verdictAtMs:
		v.AtMs = int64(fd.v)
	case verdictWhere:
		v.Where = r.name(fd.b)
	default: // next returns no other number
	}
	return nil
}

func (n *Note) field(fd *field) {
	switch fd.num {
	case noteSubject:
		n.Subject = string(fd.b)
	case noteState:
		n.State = string(fd.b)
	case noteWas:
		n.Was = string(fd.b)
	case noteText:
		n.Text = string(fd.b)
	case noteCount:
		n.Count = int64(fd.v)
	case noteValue:
		n.Value = protowire.DecodeZigZag(fd.v)
	default: // next returns no other number
	}
}

// narrow stores a number in a field that may be too small for it.
func narrow[T uint8 | uint16 | uint32](to *T, v uint64) error {
	*to = T(v)
	if uint64(*to) != v {
		return fmt.Errorf("%d is over %d", v, ^T(0))
	}
	return nil
}

func truth(to *bool, v uint64) error {
	if v > 1 {
		return errors.New("neither 0 nor 1")
	}
	*to = v == 1
	return nil
}

func exactly(to, b []byte) error {
	if len(b) != len(to) {
		return fmt.Errorf("%d bytes, want %d", len(b), len(to))
	}
	copy(to, b)
	return nil
}
