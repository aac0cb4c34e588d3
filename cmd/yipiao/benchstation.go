package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"yipiao/edge"
	sim "yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/tape"
	"yipiao/sync/ticket"
)

// A rig is a whole station in this process, with a simulated lane on ptys.
type rig struct {
	bench   *benchRun
	cloud   *benchCloud
	station *edge.Station
	sim     *sim.Bench
	dir     string
	lan     string
	plain   string
	token   string
	n       atomic.Uint64
}

func (b *benchRun) measureStation(ctx context.Context, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	r := &rig{bench: b, dir: dir}
	var err error
	cloudCtx, stopCloud := context.WithCancel(ctx)
	defer stopCloud()
	if r.cloud, err = newBenchCloud(cloudCtx); err != nil {
		return err
	}
	if err := r.start(ctx, &parts); err != nil {
		return err
	}
	// From here on the station stands alone, as in an outage: a cloud in this process would take its
	// share of the two cores and be measured with it.
	stopCloud()
	for _, callers := range []int{1, 8, 64} {
		if err := r.inProcess(ctx, callers); err != nil {
			return err
		}
	}
	for _, way := range []struct {
		name, base string
		goals      map[int]float64
	}{{"https", "https://" + r.lan, map[int]float64{1: 0.45, 8: 1.5}}, {"http", "http://" + r.plain, map[int]float64{1: 0.45, 8: 1.8}}} {
		for _, clients := range []int{1, 8} {
			if err := r.overLAN(ctx, way.name, way.base, clients, way.goals[clients]); err != nil {
				return err
			}
		}
	}
	return r.scanToGate(ctx)
}

// free finds a loopback port that nobody uses.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (r *rig) start(ctx context.Context, parts *sync.WaitGroup) error {
	code, err := r.cloud.code()
	if err != nil {
		return err
	}
	data := filepath.Join(r.dir, "station")
	who, err := edge.Enroll(ctx, data, code)
	if err != nil {
		return err
	}
	if r.lan, err = free(); err != nil {
		return err
	}
	if r.plain, err = free(); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	scanner, gate := filepath.Join(r.dir, "scanner"), filepath.Join(r.dir, "gate")
	simCfg, err := sim.ParseConfig([]byte(fmt.Sprintf(
		`{"devices":[{"name":"scanner","kind":"scanner","pty":%q},{"name":"gate","kind":"turnstile","pty":%q,"visitor":"walk","walk_ms":20,"pass_ms":20}]}`, scanner, gate)))
	if err != nil {
		return err
	}
	if r.sim, err = sim.New(simCfg, quiet); err != nil {
		return err
	}
	parts.Go(func() { _ = r.sim.Run(ctx) })
	file := filepath.Join(r.dir, "station.json")
	if err := writeJSON(file, map[string]any{
		"data": data, "listen": map[string]any{"lan": r.lan, "plain": r.plain},
		"devices": []map[string]any{
			{"name": "scanner", "kind": "linescan", "port": map[string]any{"path": scanner, "baud": 115200}},
			{"name": "gate", "kind": "lotgate", "port": map[string]any{"path": gate, "baud": 115200}},
		},
		"lanes": []map[string]any{
			{"name": "gate", "groups": []int{1}, "entry": true, "scanner": "scanner", "gate": "gate", "permit_seconds": 5},
			{"name": "door", "groups": []int{1}, "entry": true, "exit": true},
		},
	}); err != nil {
		return err
	}
	cfg, err := edge.LoadConfig(file)
	if err != nil {
		return err
	}
	if r.station, err = edge.New(cfg, quiet); err != nil {
		return err
	}
	parts.Go(func() { _ = r.station.Run(ctx) })
	return r.settle(ctx, account{who.Account, who.Password})
}

// settle waits until the station holds every ticket and its devices are up, and registers a device.
func (r *rig) settle(ctx context.Context, who account) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for {
		if st := r.station.Status(); st.Ready && st.Tickets == benchTickets {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("station not ready: %v", r.station.Status().Attention)
		}
	}
	r.bench.add(figure{Name: "first load of 10,000 tickets", Value: time.Since(began).Seconds(), Unit: "s"})
	a := &api{name: "station", base: "http://" + r.plain, http: http.DefaultClient}
	if err := a.login(ctx, who); err != nil {
		return err
	}
	d, err := addDevice(ctx, a, "bench", []string{"door"}, []string{"check"})
	r.token = d.Token
	return err
}

func (r *rig) next() string { return r.cloud.codes[r.n.Add(1)%benchTickets] }

// callers runs do from n goroutines for the span and returns operations a second.
func (r *rig) callers(ctx context.Context, n int, do func(ctx context.Context, nonce ticket.Nonce) error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.bench.span)
	defer cancel()
	var done atomic.Uint64
	var wg sync.WaitGroup
	errs := make([]error, n)
	began := time.Now()
	for i := range n {
		wg.Go(func() {
			var nonce ticket.Nonce
			if _, errs[i] = rand.Read(nonce[:]); errs[i] != nil {
				return
			}
			for k := uint32(0); ctx.Err() == nil; k++ {
				nonce[0], nonce[1], nonce[2], nonce[3] = byte(k), byte(k>>8), byte(k>>16), byte(k>>24)
				if err := do(context.WithoutCancel(ctx), nonce); err != nil {
					errs[i] = err
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

func (r *rig) inProcess(ctx context.Context, callers int) error {
	before := r.station.Status().Journal
	rate, err := r.callers(ctx, callers, func(ctx context.Context, nonce ticket.Nonce) error {
		v, err := r.station.Check(ctx, edge.CheckRequest{Device: "bench", Nonce: nonce, Kind: ticket.RequestEntry, Lane: "door", Code: r.next()})
		if err == nil && v.Outcome() != ticket.OutcomeAdmit {
			err = fmt.Errorf("refused: %s", v.Reason)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.bench.rate(fmt.Sprintf("in process, %d callers", callers), rate, map[int]float64{8: 5, 64: 20}[callers])
	if callers == 8 {
		after := r.station.Status().Journal
		facts := float64(max(after.End-before.End, 1))
		// A sync rewrites the block it begins in, and each record has a head of 48 bytes.
		log := float64(after.Bytes-before.Bytes) + 48*facts + 4096*float64(after.Syncs-before.Syncs)
		r.bench.most("journal bytes per admission, 8 callers", "B", log/facts, 1000)
	}
	return nil
}

func (r *rig) overLAN(ctx context.Context, name, base string, clients int, goal float64) error {
	a, err := (&system{dir: r.dir}).client("station", r.lan, r.token)
	if err != nil {
		return err
	}
	a.base = base
	transport := &http.Transport{MaxIdleConnsPerHost: clients, TLSClientConfig: tlsOf(a.http)}
	a.http = &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	rate, err := r.callers(ctx, clients, func(ctx context.Context, nonce ticket.Nonce) error {
		body, err := json.Marshal(map[string]any{"nonce": nonce, "kind": "entry", "lane": "door", "code": r.next()})
		if err != nil {
			return err
		}
		return post(ctx, a, body)
	})
	if err != nil {
		return err
	}
	r.bench.rate(fmt.Sprintf("LAN API %s, %d clients", name, clients), rate, goal)
	return nil
}

func tlsOf(c *http.Client) *tls.Config {
	t, ok := c.Transport.(*http.Transport)
	if !ok {
		return nil
	}
	return t.TLSClientConfig
}

func post(ctx context.Context, a *api, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/api/v1/check", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if !bytes.Contains(raw, []byte(`"outcome":"admit"`)) {
		return fmt.Errorf("not admitted: %s", raw)
	}
	return nil
}

// scanToGate measures from the last byte of a scan on the line to the permit at the gate. The simulated
// lines are not paced here, so that no wire time has to be taken off.
func (r *rig) scanToGate(ctx context.Context) error {
	const scans = 60
	scanner, err := r.sim.Scanner("scanner")
	if err != nil {
		return err
	}
	events := r.sim.Tape()
	var took []time.Duration
	for range scans {
		since := events.Last()
		if err := scanner.Scan(ctx, r.next()); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, 10*time.Second)
		sent, err1 := await(wait, events, "scanner", "sent", since)
		permit, err2 := await(wait, events, "gate", "permit", since)
		_, err3 := await(wait, events, "gate", "passed", since)
		cancel()
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		took = append(took, permit.Time.Sub(sent.Time))
		if err := r.idle(ctx); err != nil {
			return err
		}
	}
	r.bench.most("scan to gate command, p50", "ms", ms(quantile(took, 0.5)), 0)
	r.bench.most("scan to gate command, p99", "ms", ms(quantile(took, 0.99)), 20)
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// idle waits until the station has recorded the end of the passage, so that the next scan is a new one.
func (r *rig) idle(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for r.station.Status().Journal.Passages > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func await(ctx context.Context, t *tape.Tape, device, kind string, since uint64) (tape.Event, error) {
	for {
		list := t.Since(ctx, device, since)
		for _, e := range list {
			if e.Kind == kind {
				return e, nil
			}
			since = e.Seq
		}
		if ctx.Err() != nil {
			return tape.Event{}, fmt.Errorf("simulator: no %q of %s: %w", kind, device, ctx.Err())
		}
	}
}
