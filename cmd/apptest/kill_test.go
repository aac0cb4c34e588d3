package apptest

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yipiao/firmware-sim/turnstile"
)

const (
	rounds     = 20 // at least; more until there are enough answers
	mostRounds = 80
	clients    = 8
	wantAcks   = 10_000
	laneShare  = 1500 // tickets kept for the lanes
	perTicket  = 3    // how often a client asks for one ticket, each time with a new nonce
	killTicket = 24_000
)

// TestKillLoop kills the station at random instants while 8 clients and both lanes work. The clients'
// own record judges: no acknowledged answer is lost or changed, and no ticket enters twice (I1, I3).
func TestKillLoop(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := newSystem(t, "--tickets", fmt.Sprint(killTicket), "--seats", fmt.Sprint(killTicket))
	s.start()
	passes := s.wallet()
	if len(passes) < laneShare+2000 {
		t.Fatalf("only %d tickets admit now", len(passes))
	}
	k := &killer{s: s, token: s.known().Handheld, tickets: passes[laneShare:], lanes: passes[:laneShare]}
	k.connect()
	n := 0
	for n < rounds || k.acks.Load() < wantAcks && n < mostRounds {
		k.round(rnd, n)
		n++
	}
	t.Logf("%d lives: %d acknowledged answers, %d of them admissions, %d requests without an answer", n, k.acks.Load(), len(k.admitted), k.silent.Load())
	if k.acks.Load() < wantAcks {
		t.Fatalf("%d acknowledged answers, want at least %d", k.acks.Load(), wantAcks)
	}
	k.waitUp()
	k.judge()
	k.judgeLanes()
	s.must([]string{"一致"}, "verify", "--wait", "60s")
}

type pass struct {
	Ticket  uint64 `json:"ticket"`
	Session uint64 `json:"session"`
	Code    string `json:"code"`
}

// wallet returns the sample tickets of the session that admits now.
func (s *system) wallet() []pass {
	s.t.Helper()
	f, err := os.Open(filepath.Join(s.dir, "demo", "wallet.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	open := s.admitting()
	var out []pass
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var p pass
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			s.t.Fatal(err)
		}
		if open[p.Session] {
			out = append(out, p)
		}
	}
	return out
}

func (s *system) admitting() map[uint64]bool {
	s.t.Helper()
	var st struct {
		Station struct {
			Sessions []struct {
				ID        uint64 `json:"id"`
				Admitting bool   `json:"admitting"`
			} `json:"sessions"`
		} `json:"station"`
	}
	if err := json.Unmarshal([]byte(s.must(nil, "status", "--json")), &st); err != nil {
		s.t.Fatal(err)
	}
	out := make(map[uint64]bool)
	for _, se := range st.Station.Sessions {
		out[se.ID] = se.Admitting
	}
	return out
}

// An ack is an answer that a client has received: it must stand for ever.
type ack struct {
	nonce  string
	ticket int // index
	reason string
	seq    uint64
}

type killer struct {
	s       *system
	token   string
	tickets []pass
	lanes   []pass
	http    *lan

	next   atomic.Int64 // next fresh ticket
	laneAt atomic.Int64 // next lane ticket
	acks   atomic.Int64
	silent atomic.Int64

	mu       sync.Mutex
	record   []ack
	admitted map[int]string // ticket to the nonce under which it was admitted
}

func (k *killer) connect() {
	k.http = newLAN(k.s, k.token)
	k.admitted = make(map[int]string)
	sim := newSim(k.s)
	defer sim.close()
	for _, gate := range []string{"gate-1", "gate-2"} { // people in a hurry, so that many pass in a short life
		if err := sim.c.SetVisitor(context.Background(), gate, turnstile.Walk, 40*time.Millisecond); err != nil {
			k.s.t.Fatal(err)
		}
	}
}

// round lets everybody work for a random while and kills the station in the middle of it.
func (k *killer) round(rnd *rand.Rand, n int) {
	k.s.t.Helper()
	k.waitUp()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() { k.client(ctx) })
	}
	for lane := 1; lane <= 2; lane++ {
		wg.Go(func() { k.lane(ctx, lane) })
	}
	life := time.Duration(200+rnd.IntN(600)) * time.Millisecond
	<-time.After(life) // the instant of death is random; nothing is waited for
	pid := k.s.pid("stationd")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		k.s.t.Errorf("round %d: kill: %v", n, err)
	}
	stop()
	wg.Wait()
	k.s.until(20*time.Second, "another stationd runs", func() bool { return k.s.pid("stationd") != pid })
}

func (k *killer) waitUp() {
	k.s.t.Helper()
	k.s.until(30*time.Second, "the station answers", func() bool { return k.http.up() })
}

// client asks for fresh tickets, each several times with new nonces. A request without an answer is
// repeated with its nonce in judge.
func (k *killer) client(ctx context.Context) {
	for ctx.Err() == nil {
		i := int(k.next.Add(1)) - 1
		if i >= len(k.tickets) {
			i %= len(k.tickets)
		}
		for range perTicket {
			nonce := newNonce()
			reason, seq, err := k.http.check(nonce, k.tickets[i].Code)
			if err != nil {
				k.silent.Add(1)
				k.note(ack{nonce: nonce, ticket: i})
				return // the station is gone
			}
			k.acks.Add(1)
			k.note(ack{nonce, i, reason, seq})
		}
	}
}

func (k *killer) note(a ack) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.record = append(k.record, a)
	if a.reason == "admitted" {
		if other, twice := k.admitted[a.ticket]; twice && other != a.nonce {
			k.s.t.Errorf("ticket %d was admitted twice", a.ticket)
		}
		k.admitted[a.ticket] = a.nonce
	}
}

// lane lets the simulated scanner of a lane read tickets as fast as people can walk.
func (k *killer) lane(ctx context.Context, n int) {
	sim := newSim(k.s)
	defer sim.close()
	for ctx.Err() == nil {
		i := int(k.laneAt.Add(1)) - 1
		if i >= len(k.lanes) {
			return
		}
		sim.scan(ctx, fmt.Sprintf("scanner-%d", n), k.lanes[i].Code)
	}
}

// judge asks again for everything on record: answers that were received stand word for word; requests
// without an answer get one now; and every admitted ticket is used up.
func (k *killer) judge() {
	k.s.t.Helper()
	work := make(chan ack)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for a := range work {
				k.judgeOne(a)
			}
		})
	}
	for _, a := range k.record {
		work <- a
	}
	close(work)
	wg.Wait()
	for i := range k.admitted {
		reason, _, err := k.http.check(newNonce(), k.tickets[i].Code)
		if err != nil || reason != "max_entries" {
			k.s.t.Errorf("ticket %d was admitted and is asked again: %s, %v", i, reason, err)
		}
	}
}

func (k *killer) judgeOne(a ack) {
	reason, seq, err := k.http.check(a.nonce, k.tickets[a.ticket].Code)
	switch {
	case err != nil:
		k.s.t.Errorf("ticket %d: %v", a.ticket, err)
	case a.reason != "" && (reason != a.reason || seq != a.seq):
		k.s.t.Errorf("ticket %d was answered %s (#%d) and is now answered %s (#%d) to the same request", a.ticket, a.reason, a.seq, reason, seq)
	case a.reason == "" && reason == "admitted":
		k.mu.Lock()
		if other, twice := k.admitted[a.ticket]; twice && other != a.nonce {
			k.s.t.Errorf("ticket %d was admitted twice", a.ticket)
		}
		k.admitted[a.ticket] = a.nonce
		k.mu.Unlock()
	}
}

// judgeLanes: as many lane tickets are used as the gates have counted people, ticket by ticket at most once.
func (k *killer) judgeLanes() {
	k.s.t.Helper()
	sim := newSim(k.s)
	defer sim.close()
	k.s.until(20*time.Second, "no passage is open", func() bool { return k.http.passages(k.s.known().Tool) == 0 })
	used := uint64(0)
	for i := range min(int(k.laneAt.Load()), len(k.lanes)) {
		n := k.http.used(k.s.known().Tool, k.lanes[i].Ticket)
		if n > 1 {
			k.s.t.Errorf("lane ticket %d was used %d times", i, n)
		}
		used += n
	}
	if counted := sim.counted(); counted != used {
		k.s.t.Errorf("the gates counted %d people, %d tickets are used", counted, used)
	} else {
		k.s.t.Logf("the gates counted %d people, as many as tickets were used", counted)
	}
}

func newNonce() string {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return hex.EncodeToString(b)
}
