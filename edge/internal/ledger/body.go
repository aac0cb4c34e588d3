package ledger

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"yipiao/sync/ticket"
)

// Fields of a ticket in the catalogue. Its session and id are the key. The numbers are part of the
// catalogue's format.
const (
	bodyGroup = 1 + iota
	bodyVer
	bodyCode
	bodyType
	bodySeat
	bodyHolder
	bodyOrder
	bodyStatus
	bodyStatusMs
	bodyCred
	bodyCredHash
	bodyCustody
	bodyGen
	bodyHand
	bodyUsed
	bodyInside
	bodyMax
	bodyDoc
	bodyChip
	bodyPickup
)

// A million tickets are decoded in one start, so they are not kept as JSON.
func appendBody(b []byte, t *ticket.Ticket) []byte {
	b = uintField(b, bodyGroup, uint64(t.Group))
	b = uintField(b, bodyVer, t.Ver)
	b = textField(b, bodyCode, string(t.Code))
	b = uintField(b, bodyType, uint64(t.Type))
	b = textField(b, bodySeat, t.Seat)
	b = textField(b, bodyHolder, t.Holder)
	b = textField(b, bodyOrder, t.Order)
	b = textField(b, bodyStatus, string(t.Status))
	b = uintField(b, bodyStatusMs, uint64(t.StatusMs))
	b = uintField(b, bodyCred, uint64(t.Cred))
	b = hashField(b, bodyCredHash, t.CredHash)
	b = textField(b, bodyCustody, string(t.Entry.Custody))
	b = uintField(b, bodyGen, uint64(t.Entry.Gen))
	b = uintField(b, bodyHand, uint64(t.Entry.Hand))
	b = uintField(b, bodyUsed, uint64(t.Entry.Used))
	b = uintField(b, bodyInside, uint64(bit(t.Entry.Inside)))
	b = uintField(b, bodyMax, uint64(t.Entry.Max))
	b = hashField(b, bodyDoc, t.Doc)
	b = hashField(b, bodyChip, t.Chip)
	return hashField(b, bodyPickup, t.Pickup)
}

func uintField(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func textField(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func hashField(b []byte, n protowire.Number, h ticket.Hash) []byte {
	if h == (ticket.Hash{}) {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), h[:])
}

var errBody = errors.New("ticket body is malformed")

// decodeBody fills everything but session and id.
// lean leaves out what only people read.
func decodeBody(b []byte, t *ticket.Ticket, lean bool) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errBody
		}
		b = b[size:]
		switch typ {
		case protowire.VarintType:
			v, size := protowire.ConsumeVarint(b)
			if size < 0 {
				return errBody
			}
			setNumber(t, n, v)
			b = b[size:]
		case protowire.BytesType:
			v, size := protowire.ConsumeBytes(b)
			if size < 0 {
				return errBody
			}
			if !lean || n == bodyStatus || n == bodyCustody || n >= bodyCredHash {
				setBytes(t, n, v)
			}
			b = b[size:]
		default:
			return errBody
		}
	}
	return nil
}

func setNumber(t *ticket.Ticket, n protowire.Number, v uint64) {
	switch n {
	case bodyGroup:
		t.Group = ticket.GateGroupID(v)
	case bodyVer:
		t.Ver = v
	case bodyType:
		t.Type = ticket.TicketType(v)
	case bodyStatusMs:
		t.StatusMs = int64(v)
	case bodyCred:
		t.Cred = uint16(v)
	case bodyGen:
		t.Entry.Gen = uint32(v)
	case bodyHand:
		t.Entry.Hand = uint32(v)
	case bodyUsed:
		t.Entry.Used = uint16(v)
	case bodyInside:
		t.Entry.Inside = v != 0
	case bodyMax:
		t.Entry.Max = uint16(v)
	}
}

// known returns the value that v spells without making a new string of it.
func known[S ~string](v []byte, values ...S) S {
	for _, s := range values {
		if string(v) == string(s) {
			return s
		}
	}
	return S(v)
}

func setBytes(t *ticket.Ticket, n protowire.Number, v []byte) {
	switch n {
	case bodyCode:
		t.Code = ticket.TicketCode(v)
	case bodySeat:
		t.Seat = string(v)
	case bodyHolder:
		t.Holder = string(v)
	case bodyOrder:
		t.Order = string(v)
	case bodyStatus:
		t.Status = known(v, ticket.StatusValid, ticket.StatusRefunded, ticket.StatusBlocked)
	case bodyCustody:
		t.Entry.Custody = known(v, ticket.CustodyGranted, ticket.CustodyRecalled, ticket.CustodyCloud)
	case bodyCredHash:
		copy(t.CredHash[:], v)
	case bodyDoc:
		copy(t.Doc[:], v)
	case bodyChip:
		copy(t.Chip[:], v)
	case bodyPickup:
		copy(t.Pickup[:], v)
	}
}

// putTicket stores a ticket of the feed; scratch is reused between calls.
func (c *catalogue) putTicket(b *bbolt.Bucket, t *ticket.Ticket, scratch *[]byte) error {
	plain := appendBody((*scratch)[:0], t)
	*scratch = plain
	key := ticketKey(t.Session, t.ID)
	sealed, err := c.sealTo(make([]byte, 0, 1+12+len(plain)+16), bucketTicket, key, plain)
	if err != nil {
		return err
	}
	return b.Put(key, sealed)
}

// readTicket returns a stored ticket, and false where there is none.
func (c *catalogue) readTicket(tx *bbolt.Tx, key []byte) (t ticket.Ticket, found bool, err error) {
	sealed := tx.Bucket(bucketTicket).Get(key)
	if sealed == nil {
		return t, false, nil
	}
	t, err = c.ticket(key, sealed, false)
	return t, true, err
}

func (c *catalogue) ticket(key, sealed []byte, lean bool) (t ticket.Ticket, err error) {
	session, id, err := splitKey(key)
	if err != nil {
		return t, err
	}
	var room [512]byte
	plain, err := c.openTo(room[:0], bucketTicket, key, sealed)
	if err != nil {
		return t, err
	}
	t.Session, t.ID = session, id
	if err := decodeBody(plain, &t, lean); err != nil {
		return t, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return t, nil
}

// body reads the whole feed entry of a ticket, as it was stored last. No row may be locked.
func (l *Ledger) body(id ticket.TicketID) (t ticket.Ticket, known bool) {
	slot, r := l.lock(id)
	if r == nil {
		return t, false
	}
	known = l.view(r, &t)
	l.x.Unlock(slot)
	if known {
		l.stored(&t)
	}
	return t, known
}

// stored completes what a row knows of a ticket from the catalogue. Where that cannot be read, what
// the row knows stays, and the damage is reported.
func (l *Ledger) stored(t *ticket.Ticket) {
	err := l.cat.view(func(tx *bbolt.Tx) error {
		full, found, err := l.cat.readTicket(tx, ticketKey(t.Session, t.ID))
		if err == nil && found {
			*t = full
		}
		return err
	})
	if err != nil {
		l.spoilt(err)
	}
}

// spoilt remembers that the catalogue is damaged, for the pages, and says so once.
func (l *Ledger) spoilt(err error) {
	if l.damaged.CompareAndSwap(nil, &err) {
		l.cfg.Log.Error("catalogue is damaged: gates go on, restart the station to rebuild it", "error", err)
	}
}
