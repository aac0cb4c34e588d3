package cloud

import (
	"context"
	"sync"
	"time"

	"yipiao/cloud/internal/console"
	"yipiao/cloud/internal/reports"
	"yipiao/cloud/internal/store"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

const (
	pageFacts   = 20                     // facts and dead letters that the page lists
	pageFresh   = 200 * time.Millisecond // an answer may be so old,
	pageShare   = 10                     // or so many times as old as it took to find
	pageTimeout = 5 * time.Second
)

// watch remembers when each station was here last, and from where it read.
type watch struct {
	mu sync.Mutex
	// last is guarded by mu.
	last map[ticket.StationID]visit
}

type visit struct {
	at     time.Time
	cursor uint64 // of its last feed request
}

func (w *watch) note(station ticket.StationID, change func(*visit)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last = make(map[ticket.StationID]visit)
	}
	v := w.last[station]
	change(&v)
	w.last[station] = v
}

func (w *watch) visit(station ticket.StationID) visit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[station]
}

// contact is the later of a station's last contact on disk and in this process.
func (w *watch) contact(station ticket.StationID, storedMs int64) int64 {
	if at := w.visit(station).at; !at.IsZero() {
		return max(storedMs, at.UnixMilli())
	}
	return storedMs
}

// watched is the hub, with an eye on who comes.
type watched struct {
	link.Handler
	w *web
}

func (h watched) Feed(ctx context.Context, peer link.Peer, req wire.FeedRequest) (wire.Page, error) {
	now := h.w.cloud.clock()
	h.w.note(peer.Station, func(v *visit) { v.at, v.cursor = now, req.Cursor })
	h.w.bus.Publish(console.EventContact)
	page, err := h.Handler.Feed(ctx, peer, req)
	if len(page.Entries) > 0 {
		h.w.bus.Publish(console.EventFeed)
		h.w.bus.Publish(console.EventSession)
	}
	return page, err
}

func (h watched) Upload(ctx context.Context, peer link.Peer, b *wire.Batch) (wire.Ack, error) {
	ack, err := h.Handler.Upload(ctx, peer, b)
	now := h.w.cloud.clock()
	h.w.note(peer.Station, func(v *visit) { v.at = now })
	h.w.bus.Publish(console.EventContact)
	if err == nil && len(b.Entries) > 0 {
		h.w.bus.Publish(console.EventFacts)
		h.w.bus.Publish(console.EventSession)
		h.w.bus.Publish(console.EventDead)
	}
	return ack, err
}

// pageSource answers the console. An answer is shared by all who ask shortly after one another.
type pageSource struct {
	web *web

	mu sync.Mutex
	// mu guards the fields below.
	until time.Time // last is good enough
	last  console.Overview
}

// Overview implements console.Source. When the database does not answer, the last state stays.
func (p *pageSource) Overview() console.Overview {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.web.cloud
	now := time.Now()
	if p.last.Name != "" && now.Before(p.until) {
		return p.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), pageTimeout)
	defer cancel()
	o, err := c.overview(ctx, pageFacts)
	if err != nil {
		c.log.Error("read overview failed", "err", err)
		if p.last.Name == "" {
			p.last.Name = c.tenant.Name
		}
		return p.last
	}
	p.last = p.translate(o)
	end := time.Now()
	p.until = end.Add(max(pageFresh, pageShare*end.Sub(now)))
	return p.last
}

func (p *pageSource) translate(o *reports.Overview) console.Overview {
	out := console.Overview{Name: o.Tenant}
	for _, s := range o.Stations {
		out.Stations = append(out.Stations, p.station(&s))
		// One feed per station: the page has one figure, that of the longest.
		if s.Head >= out.Feed.Head {
			out.Feed = console.Feed{Head: s.Head, Reserved: s.SentPos}
		}
		out.DeadAll += s.DeadLetters
	}
	for _, s := range o.Sessions {
		out.Sessions = append(out.Sessions, console.Session{
			Session: s.Session.Session, Stations: s.Homes, Sold: int64(s.Sold), Entered: int64(s.Entered),
		})
	}
	for _, f := range o.Facts {
		one := console.Fact{
			Station: f.Station, Seq: f.Seq, At: ticket.Time(f.TimeMs), Kind: f.Kind, Session: f.Session, Seat: f.Seat, Note: f.Note,
		}
		if f.Fact != nil {
			one.Lane, one.Verdict = f.Fact.Lane, f.Fact.Verdict
		}
		out.Facts = append(out.Facts, one)
	}
	for _, d := range o.Dead {
		out.Dead = append(out.Dead, console.DeadLetter{
			Station: d.Station, Seq: d.Seq, At: ticket.Time(d.TimeMs), Kind: d.Kind, Reason: d.DeadLetter,
		})
	}
	return out
}

func (p *pageSource) station(s *store.StationReport) console.Station {
	out := console.Station{
		ID: s.ID, Name: s.Name, Cursor: p.web.visit(s.ID).cursor, Epoch: s.Epoch, Durable: s.Durable, Folded: s.Folded,
		Revoked: s.Status == store.StationRevoked,
	}
	if ms := p.web.contact(s.ID, s.SeenMs); ms != 0 {
		out.Contact = ticket.Time(ms)
	}
	return out
}
