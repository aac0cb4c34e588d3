package edge

import (
	"context"
	"sync"
	"time"

	"yipiao/edge/internal/desk"
	"yipiao/edge/internal/ledger"
	"yipiao/edge/internal/maint"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// assembleDesk makes the desk, which does nothing before Run: a desk that cannot be opened costs its
// pages, never a check.
func (s *Station) assembleDesk() (err error) {
	s.desk, err = desk.New(desk.Config{
		Dir: s.cfg.Data, Self: s.id.Station, Source: &deskSource{Ledger: s.ledger}, Log: s.log.With("part", "desk"), Archive: s.archive,
	})
	return err
}

// sessionsFor is how long a look at the sessions is good for.
const sessionsFor = 5 * time.Second

// deskSource is the ledger as the desk reads it, with a lookup of sessions beside it. It takes none of
// the ledger's locks for longer than one look.
type deskSource struct {
	*ledger.Ledger

	mu sync.Mutex
	// mu guards the fields below.
	known map[ticket.SessionID]ticket.Session
	until time.Time
}

var _ desk.Source = (*deskSource)(nil)

// Session implements desk.Source.
func (d *deskSource) Session(id ticket.SessionID) (ticket.Session, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.After(d.until) {
		d.known, d.until = make(map[ticket.SessionID]ticket.Session), now.Add(sessionsFor)
		_ = d.EachSession(func(s *ticket.Session) error { // it fails only as its callback does
			d.known[s.ID] = *s
			return nil
		})
	}
	s, ok := d.known[id]
	return s, ok
}

// archive asks the cloud for facts about one ticket.
func (s *Station) archive(ctx context.Context, id ticket.TicketID, beforeMs int64, limit int) ([]desk.Archived, bool, error) {
	reply, err := s.cloud.History(ctx, wire.HistoryRequest{Ticket: id, BeforeMs: beforeMs, Limit: limit})
	if err != nil {
		return nil, false, err
	}
	out := make([]desk.Archived, 0, len(reply.Facts))
	for _, f := range reply.Facts {
		out = append(out, desk.Archived{Station: f.Station, Entry: journal.Entry{
			Epoch: f.Epoch, Seq: f.Seq, Record: journal.Record{Kind: journal.Kind(f.Kind), TimeMs: f.TimeMs, Body: f.Body},
		}})
	}
	return out, reply.More, nil
}

// deskPages is what the pages of history need.
func (s *Station) deskPages() *maint.Desk {
	p := pageSource{s}
	return &maint.Desk{
		Desk: s.desk, DeviceName: s.fleet.DeviceName, Shift: s.shift,
		Lanes: func() []maint.Lane { return p.Overview().Lanes },
	}
}

// shift records that somebody has opened or closed a shift.
func (s *Station) shift(ctx context.Context, who, lane string, open bool) (uint64, error) {
	n := ticket.Note{Subject: lane, State: desk.ShiftClosed, Text: who}
	if open {
		n.State = desk.ShiftOpened
	}
	if lane == "" {
		n.Subject = desk.ShiftAll
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.ledger.Note(ctx, ticket.FactOperatorAction, n)
}
