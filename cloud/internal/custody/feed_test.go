package custody_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// The feed under test, and how much is done to it.
const (
	feedWriters  = 9 // three at each node
	feedNodes    = 3
	feedReaders  = 2
	writesEach   = 12
	slowEvery    = 6               // of the transactions one stays open for a while
	feedDeadline = 2 * time.Minute // a bound, not an expectation
)

var station = link.Peer{Tenant: 7, Station: 1}

const feedSession = ticket.SessionID(3)

func feedTicket(id ticket.TicketID) ticket.Ticket {
	return ticket.Ticket{
		ID: id, Session: feedSession, Group: 1, Type: ticket.TypeNormal, Seat: fmt.Sprintf("1排%d座", id), Order: "O1", Status: ticket.StatusValid,
		Code: ticket.TicketCode(fmt.Sprintf("110101001012026112503%06d", id)), Holder: "*三", Cred: 1,
		CredHash: ticket.PayloadHash(fmt.Sprint(id)), Entry: ticket.Right{Max: 1},
	}
}

// A race is one feed, written and stamped at several nodes at once and read by cursors.
type race struct {
	t     *testing.T
	nodes []*world
	naive bool // a table numbered at insertion beside it

	mu sync.Mutex
	// mu guards what is written: the tickets there are.
	tickets ticket.TicketID
}

// TestFeed_SkipsNothing: writers whose transactions end in another order than they began, sequencers at
// three nodes, and readers that follow with cursors. No row is skipped and none is stale. On PostgreSQL a
// cursor over numbers given at insertion runs beside it and loses rows: that is what the test would see.
func TestFeed_SkipsNothing(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		r := &race{t: t, naive: e.Name == "postgres"}
		name := e.New(t)
		if r.naive {
			name += "&lock_timeout=120s" // the machine may be busy
		}
		for range feedNodes {
			r.nodes = append(r.nodes, node(t, name))
		}
		w := r.nodes[0]
		w.AddStation(station, 1, []byte("0123456789abcdef0123456789abcdef"))
		w.PutSession(station, ticket.Session{
			ID: feedSession, Code: "110101001012026112503", Type: "1001", Name: "样例话剧", StartMs: 2000, EndMs: 4000, AdmitFromMs: 1000,
			AdmitToMs: 3000, Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree,
		})
		if r.naive {
			r.exec(`CREATE TABLE naive (pos BIGSERIAL PRIMARY KEY, ticket BIGINT NOT NULL)`)
			t.Cleanup(func() { r.exec(`DROP TABLE naive`) })
		}
		r.run()
	})
}

func (r *race) exec(query string, args ...any) {
	r.t.Helper()
	r.nodes[0].write(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
}

func (r *race) run() {
	ctx, cancel := context.WithTimeout(r.t.Context(), feedDeadline)
	defer cancel()
	stamping, stop := context.WithCancel(ctx)
	defer stop()
	var writers, others sync.WaitGroup
	readers := make([]*follower, feedReaders)
	naive := &naiveFollower{seen: make(map[ticket.TicketID]bool)}
	written := make(chan struct{})
	for i := range readers {
		readers[i] = &follower{race: r, node: r.nodes[i%feedNodes], last: make(map[ticket.TicketID]uint64)}
		others.Go(func() { readers[i].follow(ctx, written) })
	}
	for _, n := range r.nodes {
		others.Go(func() { r.stamp(stamping, n) })
	}
	if r.naive {
		r.overtaken(ctx, naive)
		others.Go(func() { naive.follow(ctx, r, written) })
	}
	for i := range feedWriters {
		writers.Go(func() { r.writer(ctx, r.nodes[i%feedNodes], rand.New(rand.NewPCG(uint64(i), 7))) })
	}
	writers.Wait()
	close(written)
	for _, reader := range readers {
		<-reader.done()
	}
	stop()
	others.Wait()
	for i, reader := range readers {
		reader.check(i)
	}
	if lost := int(r.tickets) - len(naive.seen); r.naive {
		if lost < 1 {
			r.t.Error("the naive cursor lost nothing: this test would not see a feed that skips rows")
		}
		r.t.Logf("%d tickets, the naive cursor lost %d", r.tickets, lost)
	}
}

// hold keeps a transaction open.
func hold(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// sell adds one ticket, numbered by whoever asks first and committed after meanwhile is over.
func (r *race) sell(ctx context.Context, n *world, meanwhile func(context.Context)) {
	r.mu.Lock()
	r.tickets++
	id := r.tickets
	r.mu.Unlock()
	err := n.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if r.naive {
			if _, err := tx.Exec(ctx, `INSERT INTO naive (ticket) VALUES ($1)`, id); err != nil {
				return err
			}
		}
		right, err := hub.Grant(hub.Right{Max: 1}, ticket.StatusValid)
		if err != nil {
			return err
		}
		if err := custody.Insert(ctx, tx, 7, []custody.Sale{{Ticket: feedTicket(id), Home: 1}}, []hub.Right{right}, 1); err != nil {
			return err
		}
		meanwhile(ctx)
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
}

// change makes new versions of two tickets, in order of their ids, as a transaction of the desk would.
func (r *race) change(ctx context.Context, n *world, rnd *rand.Rand, meanwhile func(context.Context)) {
	r.mu.Lock()
	all := int(r.tickets)
	r.mu.Unlock()
	a := rnd.IntN(max(all, 1)) + 1
	err := n.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, id := range []int{a, a + rnd.IntN(5) + 1} {
			_, err := tx.Exec(ctx, `UPDATE ticket SET ver = ver + 1, seq = NULL WHERE tenant = 7 AND id = $1`, id)
			if err != nil {
				return err
			}
		}
		meanwhile(ctx)
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
}

func (r *race) writer(ctx context.Context, n *world, rnd *rand.Rand) {
	for i := range writesEach {
		meanwhile := func(context.Context) {}
		if i%slowEvery == slowEvery-1 {
			d := 50*time.Millisecond + rand.N(250*time.Millisecond)
			meanwhile = func(ctx context.Context) { hold(ctx, d) }
		}
		switch rnd.IntN(10) {
		case 0, 1, 2, 3, 4:
			r.sell(ctx, n, meanwhile)
		case 5, 6, 7:
			r.change(ctx, n, rnd, meanwhile)
		default:
			r.block(ctx, n, ticket.TicketID(rnd.IntN(5)+1))
		}
	}
}

// block changes a ticket through the desk itself.
func (r *race) block(ctx context.Context, n *world, id ticket.TicketID) {
	for _, to := range []ticket.Status{ticket.StatusBlocked, ticket.StatusValid} {
		err := n.SetStatus(ctx, 7, id, to, 5)
		if err != nil && refusedOrMissing(err) {
			return
		}
		if err != nil {
			r.t.Error(err)
		}
	}
}

// stamp is a sequencer at one node.
func (r *race) stamp(ctx context.Context, n *world) {
	for ctx.Err() == nil {
		if _, err := n.Stamp(ctx, station); err != nil && ctx.Err() == nil {
			r.t.Error(err)
			return
		}
		hold(ctx, 2*time.Millisecond)
	}
}

// A follower reads the feed as a station does: reserve, read, go on behind the last position.
type follower struct {
	*race
	node   *world
	cursor uint64
	last   map[ticket.TicketID]uint64 // version
	pages  int
	once   sync.Once
	ended  chan struct{}
}

func (f *follower) done() chan struct{} {
	f.once.Do(func() { f.ended = make(chan struct{}) })
	return f.ended
}

// follow reads until everything written is stamped and read.
func (f *follower) follow(ctx context.Context, written <-chan struct{}) {
	defer close(f.done())
	for last := false; ; {
		select {
		case <-written:
			last = true
		case <-ctx.Done():
			f.t.Error(ctx.Err())
			return
		default:
		}
		if last {
			if _, err := f.node.Stamp(ctx, station); err != nil {
				f.t.Error(err)
				return
			}
		}
		n, err := f.page(ctx)
		if err != nil {
			f.t.Error(err)
			return
		}
		if last && n == 0 {
			return
		}
		if n == 0 {
			hold(ctx, time.Millisecond)
		}
	}
}

func (f *follower) page(ctx context.Context) (int, error) {
	head, err := f.node.Reserve(ctx, station)
	if err != nil {
		return 0, err
	}
	entries, more, err := f.node.Page(ctx, station, hub.Span{After: f.cursor, UpTo: head.Sent, Rows: 7, Bytes: 1 << 20})
	if err != nil {
		return 0, err
	}
	f.pages++
	for _, e := range entries {
		if e.Pos <= f.cursor || e.Pos > head.Sent {
			return 0, fmt.Errorf("position %d behind %d, reserved %d", e.Pos, f.cursor, head.Sent)
		}
		f.cursor = e.Pos
		if e.Kind != wire.KindTicket {
			continue
		}
		var tk ticket.Ticket
		if err := e.DecodeBody(&tk); err != nil {
			return 0, err
		}
		if had := f.last[tk.ID]; tk.Ver <= had {
			return 0, fmt.Errorf("stale: ticket %d in version %d after %d", tk.ID, tk.Ver, had)
		}
		f.last[tk.ID] = tk.Ver
	}
	if !more {
		f.cursor = head.Sent
	}
	return len(entries), nil
}

// check compares what was read with what there is.
func (f *follower) check(i int) {
	f.t.Helper()
	skipped, stale := 0, 0
	for id := ticket.TicketID(1); id <= f.tickets; id++ {
		row, err := f.node.Row(context.Background(), 7, id)
		if err != nil {
			f.t.Error(err)
			continue
		}
		switch have := f.last[id]; {
		case have == 0:
			skipped++
		case have != row.Ticket.Ver:
			stale++
		}
		if row.Seq == 0 || row.Right.GrantedSeq == 0 || row.Right.GrantedSeq > row.Seq {
			f.t.Errorf("ticket %d: position %d, granted at %d", id, row.Seq, row.Right.GrantedSeq)
		}
	}
	if skipped+stale > 0 {
		f.t.Errorf("reader %d: of %d tickets %d skipped, %d stale", i, f.tickets, skipped, stale)
	}
	f.t.Logf("reader %d: %d tickets in %d pages, head %d", i, len(f.last), f.pages, f.cursor)
}

// A naiveFollower follows numbers given at insertion.
type naiveFollower struct {
	cursor int64
	seen   map[ticket.TicketID]bool
}

func (f *naiveFollower) page(ctx context.Context, n *world) (int, error) {
	rows := 0
	return rows, n.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.Rows(ctx, `SELECT pos, ticket FROM naive WHERE pos > $1 ORDER BY pos`, []any{f.cursor}, func(scan store.Scan) error {
			var id ticket.TicketID
			err := scan(&f.cursor, &id)
			f.seen[id] = true
			rows++
			return err
		})
	})
}

func (f *naiveFollower) follow(ctx context.Context, r *race, written <-chan struct{}) {
	for last := false; ; {
		select {
		case <-written:
			last = true
		case <-ctx.Done():
			return
		default:
		}
		if _, err := f.page(ctx, r.nodes[1]); err != nil {
			r.t.Error(err)
			return
		}
		if last {
			return
		}
		hold(ctx, 2*time.Millisecond)
	}
}

// overtaken is the case that the naive cursor loses for certain: a transaction takes its number, another
// one takes the next and commits, the reader comes, and then the first one commits.
func (r *race) overtaken(ctx context.Context, f *naiveFollower) {
	numbered, leave := make(chan struct{}), make(chan struct{})
	var slow sync.WaitGroup
	slow.Go(func() {
		r.sell(ctx, r.nodes[0], func(context.Context) {
			close(numbered)
			<-leave
		})
	})
	<-numbered
	r.sell(ctx, r.nodes[1], func(context.Context) {})
	if _, err := f.page(ctx, r.nodes[1]); err != nil {
		r.t.Error(err)
	}
	close(leave)
	slow.Wait()
	if _, err := f.page(ctx, r.nodes[1]); err != nil {
		r.t.Error(err)
	}
	if !f.seen[2] || f.seen[1] {
		r.t.Errorf("the naive cursor saw %v, want the second ticket only", f.seen)
	}
}
