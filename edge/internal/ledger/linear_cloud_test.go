package ledger_test

import (
	"math/rand/v2"
	"slices"
	"sync"

	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// lCloudEnd is the other party of custody: it grants, recalls and withdraws through feed pages and folds
// what the station has journalled (custody-model.md section 2, cloud table).
type lCloudEnd struct {
	*lRig
	rng    *rand.Rand
	rights []ticket.Ticket // by ticket, as in the feed
	folded uint64          // facts
	pos    uint64
	old    []*wire.Page // that were applied
	oldIns [][]lIn
}

func newCloud(r *lRig, rng *rand.Rand) *lCloudEnd {
	c := &lCloudEnd{lRig: r, rng: rng, pos: 1000}
	for i := range r.rules.max {
		c.rights = append(c.rights, r.ticket(i))
	}
	return c
}

// run sends n pages, or until the station cannot record any more.
func (c *lCloudEnd) run(n int) {
	for range n {
		if c.rng.IntN(4) > 0 {
			c.fold()
		}
		if len(c.old) > 0 && c.rng.IntN(8) == 0 {
			if !c.resend() {
				return
			}
			continue
		}
		first := c.rng.IntN(len(c.rights))
		which := []int{first}
		if c.rng.IntN(4) == 0 {
			which = append(which, (first+1)%len(c.rights))
		}
		if !c.send(which) {
			return
		}
	}
}

// fold reads the journal as an upload does.
func (c *lCloudEnd) fold() {
	entries, err := c.Journal(c.folded+1, 1000, 1<<20)
	if err != nil {
		return // the disk is dead; it is read again after the restart
	}
	for i := range entries {
		c.folded = entries[i].Seq
		switch ticket.FactKind(entries[i].Kind) {
		case ticket.FactCustodyReleased, ticket.FactCustodyUsed:
			var f ticket.Fact
			c.must(f.Decode(entries[i].Body))
			c.answered(&f)
		default:
		}
	}
}

// answered takes a right back with the uses that the station's answer names.
func (c *lCloudEnd) answered(f *ticket.Fact) {
	i := slices.IndexFunc(c.rights, func(t ticket.Ticket) bool { return t.ID == f.Ticket })
	if e := &c.rights[i].Entry; e.Gen == f.Gen && e.Custody != ticket.CustodyCloud {
		e.Custody, e.Used, e.Inside = ticket.CustodyCloud, f.Used, f.Inside
	}
}

// turn moves one right on and leaves its new entry to be sent.
func (c *lCloudEnd) turn(e *ticket.Right) {
	p := c.rng.IntN(100)
	switch {
	case e.Gen == 0 && p < 30: // taken back by the cloud alone, beside a use by signature that it has not heard of
		e.Gen = 1
	case e.Gen == 0: // it counts as sent from its sale (R9)
		e.Gen = 1
		if e.Custody = ticket.CustodyGranted; p < 50 {
			e.Custody = ticket.CustodyRecalled
		}
	case e.Custody == ticket.CustodyGranted && p < 45:
		e.Custody = ticket.CustodyRecalled
	case e.Custody == ticket.CustodyRecalled && p < 35: // withdrawn
		e.Custody = ticket.CustodyGranted
	case e.Custody == ticket.CustodyCloud && p < 75:
		e.Gen++
		e.Custody = ticket.CustodyGranted
	case e.Custody == ticket.CustodyCloud && p < 88: // granted, and recalled before it was ever sent
		e.Gen++
		e.Custody = ticket.CustodyRecalled
	case e.Custody == ticket.CustodyCloud && p < 95: // granted, and taken back by the cloud alone
		e.Gen++
	}
}

// send moves some rights on and sends their entries, at times over both uplinks at once.
func (c *lCloudEnd) send(which []int) bool {
	p := &wire.Page{Version: wire.Version, Epoch: decisions.Epoch, CaughtUp: true}
	var ins []lIn
	for _, i := range which {
		tk := &c.rights[i]
		c.turn(&tk.Entry)
		tk.Ver++
		c.pos++
		p.Entries = append(p.Entries, entryOf(c.t, c.pos, *tk))
		ins = append(ins, lIn{
			Kind: lMeet, Ticket: i, Custody: tk.Entry.Custody, Gen: tk.Entry.Gen, Used: tk.Entry.Used, Inside: tk.Entry.Inside,
			Joint: len(which) > 1,
		})
	}
	p.Next = c.pos
	c.old, c.oldIns = append(c.old, p), append(c.oldIns, ins)
	var second sync.WaitGroup
	if c.rng.IntN(3) == 0 {
		second.Go(func() { _ = c.apply(lCloud+1, p, ins) })
	}
	err := c.apply(lCloud, p, ins)
	second.Wait()
	return err == nil
}

// resend brings an old page again, late. One that the cursor has not passed is left out: the cloud
// has replaced its entries since.
func (c *lCloudEnd) resend() bool {
	k := c.rng.IntN(len(c.old))
	p, ins := c.old[k], append([]lIn(nil), c.oldIns[k]...)
	if _, at := c.Cursor(); p.Next >= at {
		return true
	}
	for i := range ins {
		ins[i].Stale = true
	}
	return c.apply(lCloud, p, ins) == nil
}
