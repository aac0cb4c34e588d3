package edge

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"yipiao/firmware-sim/turnstile"
	"yipiao/sync/ticket"
)

// A crashTry is one attempt of one handheld: a check, or the annulment of an entry. It keeps its nonce
// until it is answered.
type crashTry struct {
	nonce ticket.Nonce
	door  int
	pass  *crashPass
	entry *crashTry // to be annulled; nil for a check

	told    bool // a final answer has been received: it must stand for ever
	reason  ticket.Reason
	outcome ticket.Outcome
	seq     uint64
	lost    bool // counted as lost
}

func (a *crashTry) admitted() bool {
	return a.told && a.entry == nil && a.outcome == ticket.OutcomeAdmit
}

// crashRecord is what the clients know, in the parent's memory. It is the truth that the ledger is
// compared with.
type crashRecord struct {
	answers atomic.Int64 // received, of any kind

	mu      sync.Mutex
	open    []*crashTry                // guarded by mu; of this round, told or not
	closed  []*crashTry                // guarded by mu; told, and found again
	byNonce map[ticket.Nonce]*crashTry // guarded by mu
}

func (r *crashRecord) init() { r.byNonce = make(map[ticket.Nonce]*crashTry) }

func (r *crashRecord) add(a *crashTry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, a)
	r.byNonce[a.nonce] = a
}

func crashNonce(rnd *rand.Rand) (n ticket.Nonce) {
	binary.BigEndian.PutUint64(n[:], rnd.Uint64())
	binary.BigEndian.PutUint64(n[8:], rnd.Uint64())
	return n
}

type crashAnswer struct {
	Verdict struct {
		Reason  ticket.Reason  `json:"reason"`
		Outcome ticket.Outcome `json:"outcome"`
	} `json:"verdict"`
	Seq      uint64 `json:"seq"`
	Repeated bool   `json:"repeated"`
}

// send asks once. An error means that nothing is known.
func (v *crashVenue) send(ctx context.Context, a *crashTry) (out crashAnswer, err error) {
	path, body := "/api/v1/check", map[string]any{"nonce": a.nonce, "lane": fmt.Sprintf("D%d", a.door+1)}
	if a.entry != nil {
		path, body["entry"] = "/api/v1/annul", a.entry.nonce
	} else {
		body["code"], body["kind"] = a.pass.code, ticket.RequestEntry
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return out, err
	}
	return out, v.call(ctx, http.MethodPost, path, v.tokens[a.door], raw, &out)
}

func (v *crashVenue) call(ctx context.Context, method, path, token string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, v.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := v.http.Do(req)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, raw)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

// get reads something as the tool does.
func (v *crashVenue) get(ctx context.Context, path string, out any) error {
	return v.call(ctx, http.MethodGet, path, v.tokens[v.doors], nil, out)
}

// ask asks and keeps the answer if it is one for ever.
func (v *crashVenue) ask(ctx context.Context, a *crashTry) (crashAnswer, error) {
	out, err := v.send(ctx, a)
	if err == nil {
		v.record.answers.Add(1)
	}
	if err == nil && out.Verdict.Reason.Final() {
		a.reason, a.outcome, a.seq, a.told = out.Verdict.Reason, out.Verdict.Outcome, out.Seq, true
	}
	return out, err
}

// insist asks until there is an answer, as a handheld does whose station is slow or cannot record.
func (v *crashVenue) insist(ctx context.Context, a *crashTry) (out crashAnswer, err error) {
	for {
		if out, err = v.ask(ctx, a); err == nil || !v.alive() {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// door is a handheld at work until ctx ends or the station is gone: new tickets, tickets that somebody
// has asked for before, one that all doors ask for at once, and entries taken back.
func (v *crashVenue) door(ctx context.Context, n int, rnd *rand.Rand, hot *crashPass) {
	var mine *crashTry // an entry that may be taken back
	for ctx.Err() == nil {
		a := &crashTry{nonce: crashNonce(rnd), door: n}
		switch k := rnd.IntN(20); {
		case k == 0:
			a.pass = hot
		case k < 3 && mine != nil:
			a.entry, a.pass, mine = mine, mine.pass, nil
		case k < 6:
			a.pass = v.again(rnd)
		default:
			a.pass = v.newcomer()
		}
		v.record.add(a)
		if _, err := v.insist(ctx, a); err != nil {
			return
		}
		if a.admitted() {
			mine = a
		}
	}
}

// newcomer is the next ticket that nobody has asked for.
func (v *crashVenue) newcomer() *crashPass {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.fresh[0]
	if len(v.fresh) > 1 {
		v.fresh = v.fresh[1:]
		v.asked = append(v.asked, p)
	}
	return p
}

func (v *crashVenue) again(rnd *rand.Rand) *crashPass {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.asked) == 0 {
		return v.fresh[0]
	}
	return v.asked[rnd.IntN(len(v.asked))]
}

// gate has people scan at a gate and walk through, or think better of it, until ctx ends. What it
// lets through it counts itself.
func (v *crashVenue) gate(ctx context.Context, n int, rnd *rand.Rand) {
	scan, errScan := v.sims.Scanner(fmt.Sprintf("scanner-%d", n+1))
	gate, errGate := v.sims.Turnstile(fmt.Sprintf("gate-%d", n+1))
	if errScan != nil || errGate != nil {
		return
	}
	visitor := turnstile.Walk
	if rnd.IntN(3) == 0 {
		visitor = turnstile.Stay
	}
	if gate.SetVisitor(visitor, 0) != nil {
		return
	}
	for ctx.Err() == nil {
		before := gate.State().EntryCount
		if scan.Scan(ctx, v.atGate()) != nil {
			return
		}
		for range 40 { // until somebody has passed, or the next one comes
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			if ctx.Err() != nil || gate.State().EntryCount != before {
				break
			}
		}
	}
}

// crashTurn is by how much a gate's counter is turned during an outage: more than one person.
const crashTurn = 7

// turnGates turns the gates' counters while the station is dead: it cannot tell of an open passage then.
func (v *crashVenue) turnGates(*rand.Rand) {
	for i := range v.gates {
		gate, err := v.sims.Turnstile(fmt.Sprintf("gate-%d", i+1))
		v.cloud.must(err)
		n := gate.State()
		gate.SetCounters(n.EntryCount+crashTurn, n.ExitCount)
		v.ledger.lane(fmt.Sprintf("G%d", i+1)).turned += crashTurn
	}
}

func (v *crashVenue) atGate() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.gated[0]
	if len(v.gated) > 1 {
		v.gated = v.gated[1:]
	}
	return p.code
}

// load has everybody work and the feed change for a while, on a slow machine until some answers have
// come, and then kills the station in the midst of it, unless its power has failed before.
func (v *crashVenue) load(rnd *rand.Rand, d time.Duration) {
	ctx, cancel := context.WithTimeout(v.t.Context(), d)
	hot, want := v.newcomer(), v.record.answers.Load()+20
	var all sync.WaitGroup
	each := func(run func(rnd *rand.Rand)) {
		own := rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))
		all.Go(func() { run(own) })
	}
	for i := range v.doors {
		each(func(rnd *rand.Rand) { v.door(context.WithoutCancel(ctx), i, rnd, hot) })
	}
	for i := range v.gates {
		each(func(rnd *rand.Rand) { v.gate(ctx, i, rnd) })
	}
	each(func(rnd *rand.Rand) { v.deltas(ctx, rnd) })
	for end := time.Now().Add(crashPatience); v.alive() && (ctx.Err() == nil || v.record.answers.Load() < want && time.Now().Before(end)); {
		select {
		case <-time.After(time.Millisecond):
		case <-v.child.ended:
		}
	}
	cancel()
	v.child.kill()
	all.Wait()
}
