package index

import "yipiao/sync/ticket"

// A Slot is the place of a row. It stays the same until the row is removed; after that it may be given
// to another ticket, so whoever keeps a slot locks it and compares the row's ID before using the row.
// 0 is no slot.
type Slot uint32

// A Flag is one bit of Row.Flags.
type Flag uint16

// Flags of a row.
const (
	Known     Flag = 1 << iota // the feed's entry is here, not only facts of this station
	Holds                      // as ticket.Held.Holds
	Inside                     // as ticket.Held.Inside
	Recalling                  // as ticket.Held.Recalling
)

// A Row is what the station holds of one ticket in memory: 64 bytes, no pointers. Its fields are read
// and written by whoever holds the row lock (Index.Lock), except that ID and CredHash are written by
// the index alone.
type Row struct {
	ID       ticket.TicketID    // changed only by Obtain and Remove; 0 in a slot that is not used
	Ver      uint64             // version of the feed's entry, 0 unless Known
	LastMs   int64              // time of the last entry, Unix ms
	CredHash ticket.Hash        // current credential, zero for none; changed only by SetCredential
	Gen      uint32             // as ticket.Held.Gen
	Hand     uint32             // hand-over number of the session at the grant
	Group    ticket.GateGroupID // of the feed's entry
	Cred     uint16             // number of the current credential
	Used     uint16             // as ticket.Held.Used
	Max      uint16             // uses allowed in all
	Lane     uint16             // lane of the last entry, a number of Index.Lanes; 0 for none
	Session  uint16             // a number of Index.Sessions; 0 for none
	Flags    Flag
	Passage  uint8 // a ticket.Passage
	Bits     uint8 // type (low 4 bits) and status (high 4 bits): see Type and Status
}

// Has reports whether the flag is set.
func (r *Row) Has(f Flag) bool { return r.Flags&f != 0 }

// Set sets or clears the flag.
func (r *Row) Set(f Flag, on bool) {
	if on {
		r.Flags |= f
	} else {
		r.Flags &^= f
	}
}

// Type is the kind of the ticket, 0 for none.
func (r *Row) Type() ticket.TicketType { return ticket.TicketType(r.Bits & 15) }

// SetType stores the kind of the ticket. One above 15 is stored as none.
func (r *Row) SetType(t ticket.TicketType) {
	if t > 15 {
		t = 0
	}
	r.Bits = r.Bits&^15 | uint8(t)
}

// statuses are stored as their place in this list: the order is part of the snapshot's format.
var statuses = [16]ticket.Status{1: ticket.StatusValid, 2: ticket.StatusRefunded, 3: ticket.StatusBlocked}

// Status is what became of the ticket, "" for none.
func (r *Row) Status() ticket.Status { return statuses[r.Bits>>4] }

// SetStatus stores what became of the ticket. One that is not valid, refunded or blocked is stored as
// none.
func (r *Row) SetStatus(s ticket.Status) {
	r.Bits &= 15
	for n, have := range statuses {
		if have == s && s != "" {
			r.Bits |= uint8(n) << 4
		}
	}
}
