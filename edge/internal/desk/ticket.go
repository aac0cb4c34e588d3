package desk

import (
	"context"
	"time"

	"yipiao/sync/ticket"
)

// askWithin bounds a question to the cloud: a person waits for the page.
const askWithin = 3 * time.Second

// A Reach says whether the cloud was asked for older history, and what came of it.
type Reach string

// Reaches.
const (
	ReachNotNeeded Reach = ""            // everything known of stands here
	ReachAnswered  Reach = "answered"    // the cloud's rows are among them
	ReachNone      Reach = "unreachable" // only what this station keeps is shown
)

// A TicketHistory is everything known about one ticket, newest first.
type TicketHistory struct {
	Ticket ticket.TicketID
	Seat   string // of the ticket as it is now; "" when the station does not know it
	Holder string // masked
	Order  string // last characters
	Code   string // last characters
	Show   string
	Hall   string
	Local  List    // of this station's kept journal
	Cloud  []Check // what the cloud keeps besides, newest first; Station says whose
	Reach  Reach
	Older  int64 // ask the cloud again for what is before this time; 0 when there is no more
}

// Ticket returns a ticket's history. The cloud is asked when the ticket was used more often than the kept
// history shows, or when the person asks for what is older (ask), which may be bounded by beforeMs. A
// cloud that does not answer in time is said in Reach, never an error.
func (d *Desk) Ticket(ctx context.Context, id ticket.TicketID, ask bool, beforeMs int64) (TicketHistory, error) {
	h := TicketHistory{Ticket: id}
	t, held, known := d.cfg.Source.Ticket(id)
	if known {
		h.Seat, h.Holder, h.Order, h.Code = t.Seat, t.Holder, tail(t.Order), codeTail(t.Code)
		if s, ok := d.cfg.Source.Session(t.Session); ok {
			h.Show, h.Hall = s.Name, s.HallName
		}
	}
	var c conds
	c.add(true, "ticket = ?", number(id))
	var err error
	if h.Local, err = d.list(ctx, c, MaxRows); err != nil {
		return h, err
	}
	if known && h.Local.Next == (Cursor{}) && max(held.Used, t.Entry.Used) > uses(h.Local.Checks) {
		ask = true
	}
	if ask {
		d.older(ctx, &h, beforeMs)
	}
	return h, nil
}

// uses counts the admissions that stand.
func uses(checks []Check) (n uint16) {
	for i := range checks {
		if c := &checks[i]; c.Kind == ticket.FactEntryGranted && c.Passage.Counts() {
			n++
		}
	}
	return n
}

func (d *Desk) older(ctx context.Context, h *TicketHistory, beforeMs int64) {
	h.Reach = ReachNone
	if d.cfg.Archive == nil {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	facts, more, err := d.cfg.Archive(bounded, h.Ticket, beforeMs, MaxRows)
	if err != nil {
		d.cfg.Log.Info("older history not to be had", "error", err)
		return
	}
	h.Reach = ReachAnswered
	if more && len(facts) > 0 {
		h.Older = facts[len(facts)-1].TimeMs
	}
	h.Cloud = d.archived(facts)
}

// archived makes rows of the cloud's facts, without those that stand in this station's own file. Ends of
// passages are joined to their admissions as far as both are there.
func (d *Desk) archived(facts []Archived) []Check {
	here := d.Status()
	epoch := d.cfg.Source.Durable().Epoch
	ends := make(map[[3]uint64]*Check)
	var all []*Check
	for i := range facts { // newest first: an end is met before its beginning
		e := &facts[i]
		kind := ticket.FactKind(e.Kind)
		var f ticket.Fact
		own := e.Station == d.cfg.Self && e.Epoch == epoch && e.Seq >= here.FirstSeq && here.FirstSeq != 0
		if own || !kind.OfTicket() || f.Decode(e.Body) != nil {
			continue
		}
		c := newCheck(kind, &f)
		c.Seq, c.AtMs, c.Station = e.Seq, e.TimeMs, e.Station
		c.describe(d.cfg.Source)
		place := [3]uint64{uint64(e.Station), uint64(e.Epoch), e.Seq}
		if end, is := endings[kind]; is {
			c.Passage, c.EndedMs, c.Verdict = end, e.TimeMs, ticket.Verdict{}
			ends[[3]uint64{place[0], place[1], f.Of}] = &c
		} else if end := ends[place]; end != nil && kind == ticket.FactEntryGranted {
			c.Passage, c.EndedMs = end.Passage, end.EndedMs
			end.Times = 0 // joined
		}
		all = append(all, &c)
	}
	var out []Check
	for _, c := range all {
		if c.Times > 0 {
			out = append(out, *c)
		}
	}
	return out
}
