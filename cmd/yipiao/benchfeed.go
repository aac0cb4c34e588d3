package main

import (
	"context"
	"sync"
	"time"

	"yipiao/sync/link"
	"yipiao/sync/wire"
)

const benchEpoch = "bench"

// A benchFeed is the feed of the bench's one station: what is no ticket, every ticket once, then changes of
// 1,000 rows each that are spread evenly over all tickets, which costs the catalogue the most pages.
type benchFeed struct {
	*benchVenue

	mu      sync.Mutex // guards the fields below
	head    uint64
	cursor  uint64 // that the station asked for last
	uploads bool   // taken; else put off
	news    chan struct{}
	ahead   map[uint64]chan wire.Page // pages that are being made before they are asked for
	last    time.Time                 // when the last page had been handed over, zero for an empty one
	station time.Duration             // sum of the station's times between pages
}

// changeRows is how many tickets one change of the feed concerns.
const changeRows = 1000

func newBenchFeed(tickets int) (*benchFeed, error) {
	v, err := newBenchVenue(tickets)
	if err != nil {
		return nil, err
	}
	return &benchFeed{benchVenue: v, head: uint64(len(v.fixed) + tickets), news: make(chan struct{}), ahead: make(map[uint64]chan wire.Page)}, nil
}

// wake tells waiting polls and applied that something changed. mu is held.
func (f *benchFeed) wake() {
	close(f.news)
	f.news = make(chan struct{})
}

// change appends changes of rows tickets and returns the head.
func (f *benchFeed) change(rows int) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head += uint64(rows)
	f.wake()
	return f.head
}

// take says whether uploads are taken from now on.
func (f *benchFeed) take(uploads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uploads = uploads
}

// applied waits until the station has asked for what lies behind pos: everything before is applied.
func (f *benchFeed) applied(ctx context.Context, pos uint64) error {
	for {
		f.mu.Lock()
		done, news := f.cursor >= pos, f.news
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *benchFeed) asked(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.last.IsZero() {
		f.station += at.Sub(f.last)
	}
	f.last = time.Time{}
}

func (f *benchFeed) sent(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = at
}

// stationTime is the time the station took between pages so far.
func (f *benchFeed) stationTime() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.station
}

// Feed implements link.Handler.
func (f *benchFeed) Feed(ctx context.Context, _ link.Peer, req wire.FeedRequest) (wire.Page, error) {
	p := wire.Page{Version: wire.Version, Epoch: benchEpoch, TimeMs: time.Now().UnixMilli(), Next: req.Cursor}
	if req.Epoch != benchEpoch {
		p.Reset, p.Next = true, 0
		return p, nil
	}
	wait := time.NewTimer(time.Duration(req.WaitMs) * time.Millisecond)
	defer wait.Stop()
	for first := true; ; first = false {
		f.mu.Lock()
		if first {
			f.cursor = req.Cursor
			f.wake()
		}
		head, news := f.head, f.news
		f.mu.Unlock()
		if head > req.Cursor {
			return f.page(req.Cursor, head, req.Limit)
		}
		p.CaughtUp = true
		select {
		case <-news:
		case <-wait.C:
			return p, nil
		case <-ctx.Done():
			return p, ctx.Err()
		}
	}
}

// page makes a page, or takes the one made ahead, and begins the next one while the station is busy.
func (f *benchFeed) page(after, head uint64, limit int) (p wire.Page, err error) {
	f.mu.Lock()
	made := f.ahead[after]
	delete(f.ahead, after)
	f.mu.Unlock()
	if made != nil {
		p = <-made
	}
	if p.Next == 0 {
		if p, err = f.make(after, head, limit); err != nil {
			return p, err
		}
	}
	p.CaughtUp = p.Next == head
	if p.Next+uint64(limit) <= head {
		next := make(chan wire.Page, 1)
		f.mu.Lock()
		f.ahead[p.Next] = next
		f.mu.Unlock()
		go func() {
			ahead, err := f.make(p.Next, head, limit)
			if err != nil {
				ahead = wire.Page{}
			}
			next <- ahead
		}()
	}
	return p, nil
}

func (f *benchFeed) make(after, head uint64, limit int) (wire.Page, error) {
	p := wire.Page{Version: wire.Version, Epoch: benchEpoch, TimeMs: time.Now().UnixMilli(), Next: min(head, after+uint64(limit))}
	for pos := after + 1; pos <= p.Next; pos++ {
		e, err := f.entry(pos)
		if err != nil {
			return p, err
		}
		p.Entries = append(p.Entries, e)
	}
	return p, nil
}

// entry is what stands at a position.
func (f *benchFeed) entry(pos uint64) (wire.Entry, error) {
	first := uint64(len(f.fixed))
	switch {
	case pos <= first:
		return f.fixed[pos-1], nil
	case pos <= first+uint64(f.tickets):
		return f.row(int(pos-first-1), 1, pos)
	}
	// The d-th changed row: one of each thousandth part of the tickets, in order, another one each time.
	d := int(pos - first - uint64(f.tickets) - 1)
	part := f.tickets / changeRows
	return f.row(d%changeRows*part+d/changeRows%part, 2+uint64(d/changeRows), pos)
}

// Upload implements link.Handler: everything is stored nowhere.
func (f *benchFeed) Upload(_ context.Context, _ link.Peer, b *wire.Batch) (wire.Ack, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.uploads || len(b.Entries) == 0 {
		return wire.Ack{}, &wire.Error{Code: wire.CodeUnavailable, Detail: "not now"}
	}
	last := b.Entries[len(b.Entries)-1].Seq
	return wire.Ack{Epoch: b.Epoch, Durable: last, Folded: last, TimeMs: time.Now().UnixMilli()}, nil
}

// History implements link.Handler.
func (f *benchFeed) History(context.Context, link.Peer, wire.HistoryRequest) (wire.HistoryReply, error) {
	return wire.HistoryReply{}, &wire.Error{Code: wire.CodeNoTicket}
}

// Admit implements link.Handler.
func (f *benchFeed) Admit(context.Context, link.Peer, string, uint32) error { return nil }

// changing keeps changing 1,000 rows at a time while use runs: it waits until the station has applied them,
// and then three times as long as that took (a duty of 25 %). It returns the rows a second.
func (f *benchFeed) changing(ctx context.Context, use func() error) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, began, ended := 0, time.Now(), make(chan time.Time, 1)
	go func() {
		last := time.Now()
		for ctx.Err() == nil {
			one := time.Now()
			if f.applied(ctx, f.change(changeRows)) != nil {
				break
			}
			rows, last = rows+changeRows, time.Now()
			pause := time.NewTimer(3 * time.Since(one))
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
		}
		ended <- last
	}()
	err := use()
	took := time.Since(began)
	cancel()
	<-ended
	return float64(rows) / took.Seconds(), err
}
