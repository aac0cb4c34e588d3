package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"yipiao/sync/ticket"
)

const (
	// lHistories is how many histories are checked when YIPIAO_LINEAR_HISTORIES does not say.
	lHistories = 30
	lLives     = 4
	lClients   = 4
	lAsks      = 7 // of a client in one life
	lPages     = 4 // of the cloud in one life
	// lPatience bounds the search for an order of one history.
	lPatience = 2 * time.Minute
)

// TestLinearizable: concurrent scans, nonces, annulments, passages, recalls and restarts, recorded and
// checked against the specification of one right (I1, R1, R3 to R6, R12): there is an order of all
// operations, within the times in which they were under way, in which every answer is the right one.
//
// YIPIAO_LINEAR_HISTORIES sets how many histories, YIPIAO_LINEAR_SEED runs the one of a seed. A seed
// fixes what is asked; the interleaving is the machine's.
func TestLinearizable(t *testing.T) {
	normal := lHistories
	if testing.Short() { // the race detector makes each ten times as long
		normal = lHistories / 3
	}
	first, n := uint64(1), uint64(number(t, "YIPIAO_LINEAR_HISTORIES", normal))
	if seed := number(t, "YIPIAO_LINEAR_SEED", 0); seed != 0 {
		first, n = uint64(seed), 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := newLinearRig(t, seed, reentryOf(seed))
			history := r.live(seed)
			if got := r.check(history); got != porcupine.Ok {
				t.Fatalf("history of %d operations is %s (Unknown: no order found in %s, make it smaller); again with YIPIAO_LINEAR_SEED=%d; picture in %s",
					len(history), got, lPatience, seed, r.picture(history))
			}
		})
	}
}

func number(t *testing.T, name string, normal int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return normal
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is no number", name, text)
	}
	return n
}

func reentryOf(seed uint64) ticket.Reentry {
	if seed%2 == 0 {
		return ticket.ReentryFree
	}
	return ticket.ReentryAfterExit
}

// check looks for an order. Unknown means that none was found in time: make the history smaller.
func (r *lRig) check(history []porcupine.Operation) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(r.rules.model(), history, lPatience)
}

// picture writes what porcupine shows of a history and returns where.
func (r *lRig) picture(history []porcupine.Operation) string {
	m := r.rules.model()
	_, info := porcupine.CheckOperationsVerbose(m, history, lPatience)
	f, err := os.CreateTemp("", "linear-*.html")
	if err != nil {
		return err.Error()
	}
	_ = f.Close()
	if err := porcupine.VisualizePath(m, info, f.Name()); err != nil {
		return err.Error()
	}
	return filepath.ToSlash(f.Name())
}

// live runs the lives of one station and returns what happened.
func (r *lRig) live(seed uint64) []porcupine.Operation {
	r.t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	shared := newShared(len(r.rules.max))
	r.begin()
	defer func() { _ = r.Close() }()
	cloud := newCloud(r, rand.New(rand.NewPCG(seed, 1)))
	crashed := make(map[int]bool)
	for range lLives {
		end, how, deadly := r.stop, rng.IntN(3), rng.IntN(2) == 0
		if r.mortal = how > 0; r.mortal {
			crashed[r.life] = true
			end = func() { r.kill(how == 2) }
			if !deadly {
				r.disk.OffAfter(rng.IntN(60))
			}
		}
		r.work(rng.Uint64(), shared, cloud, r.mortal && deadly)
		r.restart(end)
	}
	return r.finished(crashed)
}

// work lets everybody work at once until they have done or the station has died.
func (r *lRig) work(seed uint64, shared *lShared, cloud *lCloudEnd, deadly bool) {
	var all sync.WaitGroup
	gun := make(chan struct{})
	begin := func(run func()) {
		all.Go(func() {
			<-gun
			run()
		})
	}
	for id := range lClients {
		c := &lClient{lRig: r, lShared: shared, number: id, rng: rand.New(rand.NewPCG(seed, uint64(id)))}
		begin(func() { c.run(lAsks) })
	}
	begin(func() { cloud.run(lPages) })
	begin(func() { r.keeper(rand.New(rand.NewPCG(seed, 100)), 3, deadly) })
	close(gun)
	all.Wait()
}
