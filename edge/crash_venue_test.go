package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/edge/internal/enrol"
	"yipiao/edge/internal/fleet"
	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/turnstile"
	"yipiao/sync/hub"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

const (
	crashSegment  = 128 << 10 // small, so that a life begins several segments
	crashDoors    = 6         // lanes served by handhelds
	crashGates    = 2         // lanes with scanner and gate
	crashPatience = 30 * time.Second
)

// Sessions of the venue. All admit now but the last one, whose doors closed half an hour ago: a clock
// set back an hour would open them again.
const (
	crashNight ticket.SessionID = 301 // one entry each
	crashFair  ticket.SessionID = 302 // free re-entry, two entries each
	crashOver  ticket.SessionID = 303
)

// A crashPass is a ticket in somebody's hand.
type crashPass struct {
	ticket.Ticket
	code string
}

// A crashVenue is a station's data directory with its cloud, gates and handhelds. They outlive the
// station's process.
type crashVenue struct {
	t     *testing.T
	doors int // lanes served by handhelds
	gates int // lanes with scanner and gate
	cloud *testCloud
	sims  *bench.Bench
	cfg   Config
	http  *http.Client
	url   string // of the running station
	// tokens are the doors' handhelds'; the last one is a tool's that may only read.
	tokens []string
	child  *crashProcess

	mu     sync.Mutex
	nextID ticket.TicketID                // guarded by mu
	passes map[ticket.TicketID]*crashPass // guarded by mu
	fresh  []*crashPass                   // guarded by mu; not asked yet, at doors
	asked  []*crashPass                   // guarded by mu
	gated  []*crashPass                   // guarded by mu; not scanned yet, at gates
	over   []*crashPass                   // of crashOver

	record crashRecord
	ledger crashLedger
	tally  crashTally
}

// crashTally is what the summary says.
type crashTally struct {
	rounds, kills, power, clock, cuts, flips int
	acked, admitted, annulled, lost, doubled int
	passed, lapsed, uncertain                int // at the gates
	findings                                 []string
}

func (c *crashTally) add(o *crashTally) {
	c.rounds, c.kills, c.power, c.clock = c.rounds+o.rounds, c.kills+o.kills, c.power+o.power, c.clock+o.clock
	c.cuts, c.flips, c.acked, c.admitted = c.cuts+o.cuts, c.flips+o.flips, c.acked+o.acked, c.admitted+o.admitted
	c.annulled, c.lost, c.doubled = c.annulled+o.annulled, c.lost+o.lost, c.doubled+o.doubled
	c.passed, c.lapsed, c.uncertain = c.passed+o.passed, c.lapsed+o.lapsed, c.uncertain+o.uncertain
	c.findings = append(c.findings, o.findings...)
}

// find notes something that must not be.
func (v *crashVenue) find(format string, args ...any) {
	v.tally.findings = append(v.tally.findings, fmt.Sprintf(format, args...))
}

// newCrashVenue sells tickets, has a station read them, registers the handhelds and stops the station
// in order.
func newCrashVenue(t *testing.T, tickets int, rnd *rand.Rand) *crashVenue {
	t.Helper()
	return newVenue(t, crashDoors, crashGates, tickets, rnd)
}

func newVenue(t *testing.T, doors, gates, tickets int, rnd *rand.Rand) *crashVenue {
	t.Helper()
	v := &crashVenue{t: t, doors: doors, gates: gates, cloud: newTestCloud(t), nextID: 1000, passes: make(map[ticket.TicketID]*crashPass)}
	t.Cleanup(func() {
		if v.child != nil {
			v.child.kill()
		}
	})
	v.record.init()
	v.ledger.init()
	v.devices()
	v.publish()
	for range tickets {
		v.sell(rnd, crashSession(rnd), true)
	}
	v.mu.Lock()
	rnd.Shuffle(len(v.fresh), func(i, j int) { v.fresh[i], v.fresh[j] = v.fresh[j], v.fresh[i] })
	n := len(v.fresh) / 20
	v.gated, v.fresh = v.fresh[:n:n], v.fresh[n:]
	v.mu.Unlock()
	v.cfg.Data = v.cloud.enrol()
	no := false
	v.cfg.Backup.AtShutdown = &no
	v.firstLoad()
	return v
}

func crashSession(rnd *rand.Rand) ticket.SessionID {
	switch n := rnd.IntN(100); {
	case n < 2:
		return crashOver
	case n < 20:
		return crashFair
	}
	return crashNight
}

// devices starts two scanners and two gates of their own power supply, and configures all lanes.
func (v *crashVenue) devices() {
	dir := v.t.TempDir()
	v.cfg.Listen.LAN = "127.0.0.1:0"
	groups := []ticket.GateGroupID{1}
	for i := range v.doors {
		v.cfg.Lanes = append(v.cfg.Lanes, LaneConfig{Name: fmt.Sprintf("D%d", i+1), Groups: groups, Entry: true})
	}
	var sims bench.Config
	for i := range v.gates {
		scan, gate := fmt.Sprintf("scanner-%d", i+1), fmt.Sprintf("gate-%d", i+1)
		sims.Devices = append(sims.Devices,
			bench.DeviceConfig{Name: scan, PTY: filepath.Join(dir, scan), Settings: scanner.Settings{}},
			bench.DeviceConfig{Name: gate, PTY: filepath.Join(dir, gate), Settings: turnstile.Settings{Walk: 30 * time.Millisecond, Pass: 20 * time.Millisecond}})
		v.cfg.Devices = append(v.cfg.Devices,
			devices.Config{Name: scan, Kind: "linescan", Port: devices.Port{Line: serialport.Config{Path: filepath.Join(dir, scan)}}},
			devices.Config{
				Name: gate, Kind: "lotgate", Port: devices.Port{Line: serialport.Config{Path: filepath.Join(dir, gate), Baud: 115200}},
				Settings: json.RawMessage(`{"timeout_ms":150,"gap_ms":2}`),
			})
		v.cfg.Lanes = append(v.cfg.Lanes, LaneConfig{
			Name: fmt.Sprintf("G%d", i+1), Groups: groups, Entry: true, Scanner: scan, Gate: gate, PermitSeconds: 1,
		})
	}
	var err error
	if v.sims, err = bench.New(sims, slog.New(slog.DiscardHandler)); err != nil {
		v.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.sims.Run(ctx) }()
	v.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			v.t.Errorf("simulated devices: %v", err)
		}
	})
}

// publish puts hall and sessions into the feed.
func (v *crashVenue) publish() {
	now := time.Now()
	at := func(min int) int64 { return now.Add(time.Duration(min) * time.Minute).UnixMilli() }
	v.cloud.store.PutGateGroup(self, ticket.GateGroup{ID: 1, Hall: decisions.Hall, HallName: "大剧场", Name: "1号门", Home: self.Station})
	for _, s := range []ticket.Session{
		{ID: crashNight, AdmitFromMs: at(-180), AdmitToMs: at(600), Reentry: ticket.ReentryNone},
		{ID: crashFair, AdmitFromMs: at(-180), AdmitToMs: at(600), Reentry: ticket.ReentryFree},
		{ID: crashOver, AdmitFromMs: at(-180), AdmitToMs: at(-30), Reentry: ticket.ReentryNone},
	} {
		s.Type, s.Name, s.Hall, s.HallName = "1001", "样例话剧", decisions.Hall, "大剧场"
		s.StartMs, s.EndMs, s.Status, s.Mode = at(-60), at(600), ticket.SessionPlanned, ticket.CheckModeLAN
		var err error
		if s.Code, err = ticket.NewSessionCode("11010100101", ticket.Time(s.StartMs), int(s.ID-300)); err != nil {
			v.t.Fatal(err)
		}
		v.cloud.store.PutSession(self, s)
	}
}

// sell puts a new ticket into the feed, granted to the station. Its signature is empty: what the
// station knows already it recognises by the hash of the payload alone.
func (v *crashVenue) sell(rnd *rand.Rand, session ticket.SessionID, first bool) {
	v.mu.Lock()
	id := v.nextID
	v.nextID++
	v.mu.Unlock()
	cred := ticket.Credential{Key: 1, Tenant: self.Tenant, Session: session, Group: 1, Ticket: id, Number: 1}
	binary.BigEndian.PutUint64(cred.Random[:], rnd.Uint64())
	p := &crashPass{code: cred.Text()}
	p.Ticket = ticket.Ticket{
		ID: id, Session: session, Group: 1, Ver: 1, Code: ticket.TicketCode(fmt.Sprintf("110101001012026010101%09d", id)),
		Type: ticket.TypeNormal, Seat: "1层 A区 12排 08座", Holder: "*三", Order: "O-1", Status: ticket.StatusValid, Cred: 1,
		CredHash: ticket.PayloadHash(p.code), Entry: ticket.Right{Max: 1},
	}
	if session == crashFair {
		p.Entry.Max = 2
	}
	v.cloud.must(v.cloud.store.PutTicket(self, p.Ticket))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.passes[id] = p
	switch {
	case session == crashOver:
		v.over = append(v.over, p)
	case first || len(v.fresh) == 0:
		v.fresh = append(v.fresh, p)
	default: // soon, so that it is asked while it is news
		at := rnd.IntN(min(len(v.fresh), 500))
		v.fresh = append(v.fresh, v.fresh[at])
		v.fresh[at] = p
	}
}

// firstLoad is the first life of the station, in this process: it reads the feed and stops in order.
func (v *crashVenue) firstLoad() {
	cfg := v.cfg
	cfg.segment, cfg.probe = crashSegment, 50*time.Millisecond
	st, err := assemble(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	for end := time.Now().Add(6 * crashPatience); ; <-time.After(5 * time.Millisecond) {
		if _, at := st.ledger.Cursor(); at > 0 && at == v.head(ctx) {
			break
		}
		if time.Now().After(end) {
			v.t.Fatal("the first load takes too long")
		}
	}
	for i := range v.doors + 1 {
		lanes, may := []string{fmt.Sprintf("D%d", i+1)}, []fleet.Permission{fleet.MayCheck}
		if i == v.doors {
			lanes, may = nil, []fleet.Permission{fleet.MayRead}
		}
		_, token, err := st.fleet.AddDevice(fmt.Sprintf("手持%d", i+1), lanes, may)
		v.cloud.must(err)
		v.tokens = append(v.tokens, token)
	}
	cancel()
	v.cloud.must(<-done)
	id, err := enrol.Load(v.cfg.Data)
	v.cloud.must(err)
	roots := x509.NewCertPool()
	roots.AddCert(id.Root)
	v.http = &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 2 * v.doors},
	}
	v.t.Cleanup(v.http.CloseIdleConnections)
}

// deltas change the feed until ctx ends: new sales, changed tickets, recalls, and grants and refunds
// of what the station has given back.
func (v *crashVenue) deltas(ctx context.Context, rnd *rand.Rand) {
	store, tick := v.cloud.store, time.NewTicker(3*time.Millisecond)
	defer tick.Stop()
	var recalled []ticket.TicketID
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p := v.anybody(rnd)
		switch n := rnd.IntN(10); {
		case n < 3:
			v.sell(rnd, crashSession(rnd), false)
		case n < 6:
			t := p.Ticket
			t.Seat = fmt.Sprintf("2层 B区 %02d排 01座", rnd.IntN(50))
			if !v.ledger.wasRefunded(t.ID) {
				store.AddTicket(self, t)
			}
		case n < 8:
			if store.Recall(ctx, self.Tenant, p.ID) == nil {
				recalled = append(recalled, p.ID)
			}
		case len(recalled) > 0:
			i := rnd.IntN(len(recalled))
			v.giveBack(ctx, recalled[i], rnd.IntN(4) == 0)
		}
	}
}

// giveBack grants a right that the station has released once more, or refunds the ticket.
func (v *crashVenue) giveBack(ctx context.Context, id ticket.TicketID, refund bool) {
	store := v.cloud.store
	row, err := store.Row(ctx, self.Tenant, id)
	if err != nil || row.Right.State != hub.Released {
		return
	}
	at := store.Journal(self).Durable // its release is among these
	if refund && row.Right.Used == 0 && store.SetStatus(ctx, self.Tenant, id, ticket.StatusRefunded, time.Now().UnixMilli()) == nil {
		v.ledger.refund(id, at)
		return
	}
	_ = store.Grant(ctx, self.Tenant, id) // it may be used up, or refunded before
}

// anybody is a ticket that is not for the gates: a recall must not meet their passages, which are
// compared with the gates' counters.
func (v *crashVenue) anybody(rnd *rand.Rand) *crashPass {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.asked) > 0 && rnd.IntN(3) > 0 {
		return v.asked[max(0, len(v.asked)-1-rnd.IntN(2000))]
	}
	return v.fresh[rnd.IntN(min(len(v.fresh), 2000))]
}
