package ledger

import (
	"encoding/json"
	"runtime"
	"sort"
	"sync"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A batch is a decoded page, in key order.
type batch struct {
	read     []*wire.Entry // every entry that could be read
	sessions []*session
	groups   []*ticket.GateGroup
	keys     []*ticket.SignKey
	tickets  []*ticket.Ticket
	fresh    []bool           // whether nothing was known of the ticket
	before   []*ticket.Ticket // what the catalogue had of tickets, nil for none; filled in by store
	gone     []wire.Entry
	left     []*ticket.Ticket // likewise of gone, nil for what is no ticket of ours
	aside    []wire.Entry
}

// decodeAlone is how many entries are decoded by one goroutine; more are shared by all processors.
const decodeAlone = 500

// decodePage sorts a page by what it is. What cannot be read goes aside, whole.
func decodePage(p *wire.Page) *batch {
	bodies := make([]any, len(p.Entries))
	var wg sync.WaitGroup
	parts := min(runtime.GOMAXPROCS(0), 1+len(bodies)/decodeAlone)
	for part := range parts {
		wg.Go(func() {
			for i := part; i < len(bodies); i += parts {
				bodies[i] = decodeEntry(&p.Entries[i])
			}
		})
	}
	wg.Wait()
	b := &batch{tickets: make([]*ticket.Ticket, 0, len(bodies))}
	for i := range p.Entries {
		b.take(&p.Entries[i], bodies[i])
	}
	sort.Slice(b.tickets, func(i, j int) bool {
		x, y := b.tickets[i], b.tickets[j]
		return x.Session < y.Session || x.Session == y.Session && x.ID < y.ID
	})
	return b
}

// decodeEntry returns what an entry says, nil for what cannot be read.
func decodeEntry(e *wire.Entry) any {
	var v interface{ Validate() error }
	switch {
	case e.Gone:
		return nil
	case e.Kind == wire.KindSession:
		s := &session{Pos: e.Pos}
		if e.DecodeBody(&s.S) != nil {
			return nil
		}
		return s
	case e.Kind == wire.KindGateGroup:
		v = &ticket.GateGroup{}
	case e.Kind == wire.KindSignKey:
		v = &ticket.SignKey{}
	case e.Kind == wire.KindTicket:
		v = &ticket.Ticket{}
	default:
		return nil
	}
	if e.DecodeBody(v) != nil {
		return nil
	}
	return v
}

// take puts an entry where it belongs.
func (b *batch) take(e *wire.Entry, body any) {
	switch v := body.(type) {
	case *session:
		b.sessions = append(b.sessions, v)
	case *ticket.GateGroup:
		b.groups = append(b.groups, v)
	case *ticket.SignKey:
		b.keys = append(b.keys, v)
	case *ticket.Ticket:
		b.tickets = append(b.tickets, v)
	default:
		if e.Gone {
			b.gone = append(b.gone, *e)
			return
		}
		kept := *e
		if !json.Valid(kept.Body) {
			kept.Body = nil // could not be stored either
		}
		b.aside = append(b.aside, kept)
		return
	}
	b.read = append(b.read, e)
}
