package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// lDesk is what clients ask; the mutants stand between it and them.
type lDesk interface {
	Do(ctx context.Context, req *ledger.Request) (ledger.Answer, error)
	Annul(ctx context.Context, req *ledger.AnnulRequest) (ledger.Answer, error)
	EndPassage(ctx context.Context, grant uint64, how ledger.End) (uint64, error)
	Apply(ctx context.Context, p *wire.Page) error
}

// lHonest is the ledger as it is.
type lHonest struct{ *ledger.Ledger }

func (h lHonest) Do(ctx context.Context, req *ledger.Request) (ledger.Answer, error) {
	return h.Ledger.Do(ctx, req, ticket.Check)
}

// lClock goes on by a millisecond in every third reading: several facts may have one time.
type lClock struct{ readings atomic.Int64 }

func (c *lClock) Now() (int64, int32, bool) {
	return start.UnixMilli() + 1 + c.readings.Add(1)/3, 0, true
}

// since is a time of the ledger in milliseconds since the start, 0 for none.
func since(ms int64) uint32 { return uint32(max(0, ms-start.UnixMilli())) }

// lRig is a station with a journal on a disk that can be broken, and the record of what it was asked.
type lRig struct {
	t      testing.TB
	base   string
	files  int  // how many times they were taken over after a crash
	life   int  // how many times the station was started again
	mortal bool // this life ends with a crash
	disk   *logtest.Disk
	clock  *lClock
	world  *decisions.World
	rules  *lRules
	wrap   func(lHonest) lDesk           // a mutant; nil for none
	log    func(journal.Log) journal.Log // likewise
	// lenient rigs take errors as they come: a mutant breaks more than it is made for.
	lenient bool
	*ledger.Ledger
	desk lDesk

	began   time.Time
	pages   atomic.Uint32 // how often a page was brought
	mu      sync.Mutex
	history []porcupine.Operation
}

func newLinearRig(t testing.TB, seed uint64, reentry ticket.Reentry) *lRig {
	t.Helper()
	rows, err := decisions.Table()
	if err != nil {
		t.Fatal(err)
	}
	row := rows[0]
	row.Reentry, row.Absent, row.Signed = reentry, true, true
	r := &lRig{
		t: t, base: t.TempDir(), disk: logtest.NewDisk(seed, 64<<20), clock: &lClock{}, began: time.Now(),
		rules: &lRules{reentry: reentry, max: []uint16{1, 4, 6, 3}},
	}
	if r.world, err = decisions.NewWorld(&row, start); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *lRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *lRig) dir() string { return filepath.Join(r.base, fmt.Sprint("files-", r.files)) }

// open starts the station on the files of this life.
func (r *lRig) open() {
	r.t.Helper()
	r.must(os.MkdirAll(r.dir(), 0o700))
	var log journal.Log
	log, _, err := seglog.Open(seglog.Config{
		Dir: "/j", Epoch: 1, Key: []byte("chain key of a test"), SegmentSize: 4 * seglog.MinSegmentSize, FS: r.disk.Mount(),
	})
	r.must(err)
	if r.log != nil {
		log = r.log(log)
	}
	cfg := (&station{dir: r.dir()}).config()
	cfg.Clock = r.clock
	l, _, err := ledger.Open(cfg, log)
	r.must(err)
	r.Ledger = l
	r.desk = lHonest{l}
	if r.wrap != nil {
		r.desk = r.wrap(lHonest{l})
	}
}

// begin opens a new station and feeds it.
func (r *lRig) begin() {
	r.t.Helper()
	r.open()
	before, _, err := r.world.Feed()
	r.must(err)
	r.must(r.Reset(context.Background(), decisions.Epoch))
	for i := range lSigned {
		before = append(before, entryOf(r.t, uint64(100+i), r.ticket(i)))
	}
	p := &wire.Page{Version: wire.Version, Epoch: decisions.Epoch, Entries: before, Next: 200, CaughtUp: true}
	r.must(r.Apply(context.Background(), p))
	r.look()
}

// lSigned is the ticket that the feed has not brought at first: it may enter by its signature (R9).
const lSigned = 3

func (r *lRig) id(i int) ticket.TicketID {
	if i == lSigned {
		return decisions.TheID
	}
	return idOf(i)
}

func (r *lRig) payload(i int) string {
	if i == lSigned {
		return r.world.Payload
	}
	return payloadOf(r.world, i)
}

// ticket is the first state of one of the rig's tickets.
func (r *lRig) ticket(i int) ticket.Ticket {
	tk := r.world.Ticket
	tk.ID, tk.CredHash = r.id(i), ticket.PayloadHash(r.payload(i))
	tk.Code = ticket.TicketCode(fmt.Sprintf("%s%09d", r.world.Session.Code, i))
	tk.Entry.Max = r.rules.max[i]
	if i == lSigned {
		tk.Entry.Custody, tk.Entry.Gen = ticket.CustodyCloud, 0
	}
	return tk
}

// Clients that are no callers.
const (
	lCloud    = 10 // and 11, its second uplink
	lOperator = 12
)

// stop is an orderly end.
func (r *lRig) stop() { r.must(r.Close()) }

// kill ends the station as a kill or, with power, as a power cut does: what counts is what is in the
// files now. Nobody may be asking.
func (r *lRig) kill(power bool) {
	r.disk.Kill()
	if power {
		r.disk.PowerCut()
	}
	from := r.dir()
	r.files++
	r.must(os.CopyFS(r.dir(), os.DirFS(from)))
	_ = r.Close() // only to end its goroutines: its journal is dead, its directory is left behind
}

// restart ends the station and starts it again; end is what happens in between.
func (r *lRig) restart(end func()) {
	r.t.Helper()
	call := r.now()
	end()
	r.life++
	r.open()
	r.all(lOperator, call, lIn{Kind: lRestart}, func(int) lOut { return lOut{} })
	r.look()
}
