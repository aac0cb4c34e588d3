package replica

import (
	"time"

	"yipiao/sync/wire"
)

// Pauses after a failure: doubled from the first to the last.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
	notYet     = 100 * time.Millisecond
)

// A pause grows with each failure in a row.
type pause struct{ next time.Duration }

func (p *pause) fail() time.Duration {
	d := max(p.next, firstPause)
	p.next = min(2*d, lastPause)
	return d
}

func (p *pause) ok() { p.next = 0 }

// A DownAction is what Down wants done next. Exactly one field is set.
type DownAction struct {
	Poll  *wire.FeedRequest
	Apply *wire.Page
	Reset string        // the new feed epoch
	Sleep time.Duration // then report Woke
}

// A DownEvent is what became of the last action. Exactly one field is set.
type DownEvent struct {
	Woke    bool
	Page    *wire.Page // a Poll was answered
	Applied bool       // Apply or Reset is durable
	NotYet  bool       // Apply has to wait for a passage
	Failed  bool       // Poll, Apply or Reset failed; it may or may not have happened
}

// Down follows the feed: poll, apply, move the cursor, poll again. The zero value is not ready; use
// NewDown. It is not safe for concurrent use.
type Down struct {
	rows, waitMs int
	epoch        string
	cursor       uint64
	page         *wire.Page // to be applied
	reset        string     // epoch to be begun, until that is durable
	pause        pause
	caughtUp     bool
}

// NewDown starts at a cursor. rows is how many rows a page may have, waitMs how long to wait for news.
func NewDown(epoch string, cursor uint64, rows, waitMs int) *Down {
	return &Down{epoch: epoch, cursor: cursor, rows: min(rows, wire.MaxPageRows), waitMs: min(waitMs, wire.MaxWaitMs)}
}

// CaughtUp reports whether the last applied page reached the head of the feed.
func (d *Down) CaughtUp() bool { return d.caughtUp }

// Step takes what happened and returns what to do next.
func (d *Down) Step(ev DownEvent) DownAction {
	switch {
	case ev.Page != nil:
		return d.arrived(ev.Page)
	case ev.Applied && d.page != nil:
		d.pause.ok()
		d.epoch, d.cursor, d.caughtUp = d.page.Epoch, d.page.Next, d.page.CaughtUp
		d.page = nil
	case ev.Applied: // a Reset: the cursor is at 0 of the new epoch
		d.pause.ok()
		d.epoch, d.cursor, d.caughtUp = d.reset, 0, false
	case ev.NotYet:
		return DownAction{Sleep: notYet}
	case ev.Failed:
		d.caughtUp = false
		d.page = nil // polled again from the durable cursor: a page may be offered twice, never lost
		return DownAction{Sleep: d.pause.fail()}
	case ev.Woke && d.page != nil:
		return DownAction{Apply: d.page}
	}
	return d.poll()
}

func (d *Down) poll() DownAction {
	return DownAction{Poll: &wire.FeedRequest{Epoch: d.epoch, Cursor: d.cursor, Limit: d.rows, WaitMs: d.waitMs}}
}

func (d *Down) arrived(p *wire.Page) DownAction {
	switch {
	case p.Epoch == "": // no feed has such an epoch: not to be believed
		return d.Step(DownEvent{Failed: true})
	case p.Reset || p.Epoch != d.epoch:
		d.reset = p.Epoch
		return DownAction{Reset: p.Epoch}
	case p.Next < d.cursor: // it never goes back; asking at once would only get the same again
		return d.Step(DownEvent{Failed: true})
	}
	d.page = p
	return DownAction{Apply: p}
}
