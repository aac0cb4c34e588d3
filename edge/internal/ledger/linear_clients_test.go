package ledger_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"

	"yipiao/edge/internal/ledger"
)

// lShared is what the clients know together: what was asked of a ticket, and which passages are open.
type lShared struct {
	mu    sync.Mutex
	asked [][]lIn    // with a nonce, by ticket
	stood [][]lIn    // entries that were admitted with no gate, by ticket
	open  [][]uint64 // grants, by ticket; some have ended
	last  [][2]int   // last nonce of each device, by ticket
}

func newShared(tickets int) *lShared {
	return &lShared{asked: make([][]lIn, tickets), stood: make([][]lIn, tickets), open: make([][]uint64, tickets), last: make([][2]int, tickets)}
}

// nonce is a new one of a device, 0 when a ticket has had all of them.
func (s *lShared) nonce(i, dev int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.last[i][dev] + 2
	if n == 2 && dev == 1 {
		n = 1 // its numbers are odd
	}
	if n >= lNonces {
		return 0
	}
	s.last[i][dev] = n
	return n
}

func (s *lShared) remember(list *[]lIn, in lIn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, in)
}

// earlier is something of a list, most likely from its end.
func (s *lShared) earlier(rng *rand.Rand, list *[]lIn, want func(*lIn) bool) (lIn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := *list
	for back := range all {
		in := all[len(all)-1-back]
		if want(&in) && rng.IntN(3) > 0 {
			return in, true
		}
	}
	return lIn{}, false
}

func (s *lShared) opened(i int, grant uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[i] = append(s.open[i], grant)
}

func (s *lShared) grants(i int) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint64(nil), s.open[i]...)
}

// lClient is one caller: handhelds, lanes' scanners and gates in turn.
type lClient struct {
	*lRig
	*lShared
	number int
	rng    *rand.Rand
}

// run asks n times, or until the station cannot record any more.
func (c *lClient) run(n int) {
	for range n {
		if !c.step(c.rng.IntN(len(c.rules.max))) {
			return
		}
		for range c.rng.IntN(3) {
			runtime.Gosched()
		}
	}
}

// step asks once; false means that the station has failed.
func (c *lClient) step(i int) bool {
	in := lIn{Kind: lEntry, Ticket: i, Lane: uint8(1 + c.rng.IntN(3)), Gated: c.rng.IntN(3) == 0, Forbidden: c.rng.IntN(40) == 0}
	switch p := c.rng.IntN(100); {
	case p < 30:
		in.Nonce = c.nonce(i, c.rng.IntN(2))
	case p < 36: // a lane's own scanner
	case p < 50:
		in.Kind, in.Gated, in.Nonce = lExit, false, c.nonce(i, c.rng.IntN(2))
	case p < 64:
		return c.annulStep(in)
	case p < 76: // a retry
		if again, ok := c.earlier(c.rng, &c.asked[i], func(*lIn) bool { return true }); ok {
			in = again
		}
	case p < 80: // a used nonce with another request
		if again, ok := c.earlier(c.rng, &c.asked[i], func(in *lIn) bool { return in.Kind != lAnnul }); ok {
			in.Nonce, in.Kind, in.Gated = again.Nonce, lExit, false
		}
	default:
		return c.endStep(i)
	}
	return c.submit(in)
}

// submit asks; sometimes the caller goes away before the answer.
func (c *lClient) submit(in lIn) bool {
	if in.Nonce != 0 {
		c.remember(&c.asked[in.Ticket], in)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := c.rng.IntN(16) == 0
	if gone {
		cancel()
	}
	out, err := c.ask(ctx, c.number, in)
	switch {
	case !entered(out.Reason):
	case in.Gated:
		c.opened(in.Ticket, out.Seq)
	case in.Nonce != 0:
		c.remember(&c.stood[in.Ticket], in)
	}
	return err == nil || gone
}

func (c *lClient) annulStep(in lIn) bool {
	list := &c.stood[in.Ticket]
	if c.rng.IntN(4) == 0 {
		list = &c.asked[in.Ticket]
	}
	entry, ok := c.earlier(c.rng, list, func(in *lIn) bool { return in.Kind == lEntry })
	if !ok {
		return true
	}
	dev := entry.Nonce % 2
	if c.rng.IntN(6) == 0 {
		dev = 1 - dev
	}
	nonce := c.nonce(in.Ticket, dev)
	if nonce == 0 {
		return true
	}
	if c.rng.IntN(20) == 0 {
		entry.Nonce = nonce // itself
	}
	return c.submit(lIn{
		Kind: lAnnul, Ticket: in.Ticket, Lane: in.Lane, Forbidden: in.Forbidden, Nonce: nonce, Entry: entry.Nonce,
		Stranger: nonce%2 != entry.Nonce%2,
	})
}

// endStep ends a passage: one that was told, one that has ended before, or one whose caller never
// heard of it.
func (c *lClient) endStep(i int) bool {
	grants := c.grants(i)
	for lane := range uint8(3) {
		for _, g := range c.OpenPassages(laneName(lane + 1)) {
			if g.Fact.Ticket == c.id(i) {
				grants = append(grants, g.Seq)
			}
		}
	}
	if len(grants) == 0 {
		return true
	}
	g := grants[max(c.rng.IntN(len(grants)), c.rng.IntN(len(grants)))]
	in := lIn{Kind: lEnd, Ticket: i, Grant: g, How: []ledger.End{ledger.Passed, ledger.Lapsed, ledger.Lapsed, ledger.Uncertain}[c.rng.IntN(4)]}
	return c.lRig.end(context.Background(), c.number, in) == nil
}

// keeper does what happens beside: checkpoints, snapshots, and a disk that takes its time. With deadly
// the station dies at last while the disk does so.
func (r *lRig) keeper(rng *rand.Rand, n int, deadly bool) {
	for range n {
		var err error
		switch p := rng.IntN(4); {
		case p == 0 && r.log == nil:
			err = r.Checkpoint()
		case p == 1 && r.log == nil:
			err = r.Snapshot()
		default:
			r.slow(rng)()
		}
		if r.unknown(err) {
			return
		}
	}
	if deadly {
		r.slow(rng)
		r.disk.Kill()
	}
}

// slow lets others append for a while what the disk does not sync before release.
func (r *lRig) slow(rng *rand.Rand) (release func()) {
	release = r.disk.Hold()
	for range 20 + rng.IntN(200) {
		runtime.Gosched()
	}
	return release
}
