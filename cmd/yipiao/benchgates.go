package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"yipiao/edge"
	sim "yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/tape"
)

const (
	pacedGates = 8
	gatePace   = time.Second / 90 // between two people at one gate: far more than any gate passes
	benchLanes = 16
	laneScans  = 40 // per lane
)

// gates measures what people at gates wait for.
func (b *benchRun) gates(ctx context.Context) error {
	s, err := b.ready(ctx, "gates", 100_000)
	if err != nil {
		return err
	}
	defer s.close()
	s.cloud.take(true) // online: facts are uploaded at once
	if err := s.stop(); err != nil {
		return err
	}
	err = s.inside(ctx, nil, func(st *edge.Station) error {
		for _, state := range []string{"quiet", "deltas"} {
			if err := b.paced(ctx, s, direct(st), "gates, 100,000 tickets", state); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.lanes(ctx, s)
}

// paced measures decisions for 8 gates with steady streams of people.
func (b *benchRun) paced(ctx context.Context, s *benchSite, do asks, section, state string) error {
	var rows, rawP99, p50, p99, far []float64
	for pass := range b.passes {
		b.say("%s: 8 paced gates, %s, pass %d", section, state, pass+1)
		raw, err := b.raw.measure(ctx, b.span/2)
		if err != nil {
			return err
		}
		var r reading
		measure := func() (err error) {
			r, err = drive(ctx, pacedGates, 4*b.span, gatePace, s.codes, do)
			return err
		}
		if state == "deltas" {
			rate, err := s.cloud.changing(ctx, measure)
			if err != nil {
				return err
			}
			rows = append(rows, rate)
		} else if err := measure(); err != nil {
			return err
		}
		rawP99, p50, p99, far = append(rawP99, raw.p99), append(p50, r.p50), append(p99, r.p99), append(far, r.far)
	}
	one := figure{P50: median(p50), P99: median(p99), P999: median(far)}
	add := func(name string, value, goal float64) {
		f := most(section, name, "ms", value, goal).against(median(rawP99))
		f.State, f.Callers, f.P50, f.P99, f.P999 = state, pacedGates, one.P50, one.P99, one.P999
		b.add(f)
	}
	if state == "quiet" {
		add("gate decision, p50", one.P50, 0.6)
		add("gate decision, p99", one.P99, 2)
		return nil
	}
	add("gate decision, p99", one.P99, 10)
	f := least(section, "delta apply, gates active, 25 % duty", "rows/s", median(rows), 5000).against(median(rawP99))
	f.Callers = pacedGates
	b.add(f)
	return nil
}

// lanes measures 16 lanes from the last byte of a scan on the line to the permit at the gate. The simulated
// lines are not paced, so that no wire time has to be taken off.
func (b *benchRun) lanes(ctx context.Context, s *benchSite) error {
	return b.scanning(ctx, s, 0, func(h *laneTimes, rawP99 float64) {
		f := most("gates, 100,000 tickets", "scan in to gate command out, p99", "ms", h.total.quantile(0.99), 20)
		f.Callers, f.P50, f.P99, f.P999, f.Note = benchLanes, h.total.quantile(0.5), h.total.quantile(0.99), h.total.quantile(0.999), "lines not paced: no wire time in it"
		b.add(f.against(rawP99))
	})
}

// scanning runs 16 lanes with simulated devices, all scanning at once, and hands over what was measured. baud
// paces the simulated lines; 0 does not.
func (b *benchRun) scanning(ctx context.Context, s *benchSite, baud int, judge func(h *laneTimes, rawP99 float64)) error {
	simulated, err := s.layLanes(baud)
	if err != nil {
		return err
	}
	bench, stop, err := simulate(ctx, simulated)
	if err != nil {
		return err
	}
	defer stop()
	return s.inside(ctx, nil, func(st *edge.Station) error {
		if err := devicesUp(ctx, st); err != nil {
			return err
		}
		b.say("%d lanes at %d baud (0: not paced)", benchLanes, baud)
		raw, err := b.raw.measure(ctx, b.span/2)
		if err != nil {
			return err
		}
		var h laneTimes
		errs := make(chan error, benchLanes)
		for i := range benchLanes {
			go func() {
				l := &scanLane{st, bench, i}
				for range laneScans {
					if err := l.scan(ctx, s.fresh(), &h); err != nil {
						errs <- fmt.Errorf("lane %d: %w", i, err)
						return
					}
				}
				errs <- nil
			}()
		}
		for range benchLanes {
			if err := <-errs; err != nil {
				return err
			}
		}
		judge(&h, raw.p99)
		return nil
	})
}

// layLanes configures the station for 16 lanes and returns their simulated devices.
func (s *benchSite) layLanes(baud int) (simulated []map[string]any, err error) {
	at, gap := baud, 4
	if baud == 0 {
		at = 115200
	}
	if at >= 19200 {
		gap = 2
	}
	var devices, lanes []map[string]any
	for i := range benchLanes {
		scanner, gate := fmt.Sprintf("scanner-%d", i), fmt.Sprintf("gate-%d", i)
		simulated = append(simulated,
			map[string]any{"name": scanner, "kind": "scanner", "pty": filepath.Join(s.dir, scanner), "baud": baud},
			map[string]any{"name": gate, "kind": "turnstile", "pty": filepath.Join(s.dir, gate), "baud": baud, "visitor": "walk", "walk_ms": 20, "pass_ms": 20})
		devices = append(devices,
			map[string]any{"name": scanner, "kind": "linescan", "port": map[string]any{"path": filepath.Join(s.dir, scanner), "baud": at}},
			map[string]any{"name": gate, "kind": "lotgate", "port": map[string]any{"path": filepath.Join(s.dir, gate), "baud": at}, "settings": map[string]any{"gap_ms": gap}})
		lanes = append(lanes, map[string]any{
			"name": fmt.Sprintf("L%d", i), "groups": []int{1}, "entry": true, "scanner": scanner, "gate": gate, "permit_seconds": 5,
		})
	}
	return simulated, s.configure(devices, lanes)
}

// simulate runs simulated devices until stop is called.
func simulate(ctx context.Context, devices []map[string]any) (bench *sim.Bench, stop func(), err error) {
	text, err := json.Marshal(map[string]any{"devices": devices})
	if err != nil {
		return nil, nil, err
	}
	cfg, err := sim.ParseConfig(text)
	if err != nil {
		return nil, nil, err
	}
	if bench, err = sim.New(cfg, discard); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = bench.Run(ctx)
	}()
	return bench, func() { cancel(); <-ended }, nil
}

// poll asks again until ok or 30 s are over.
func poll(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
	return nil
}

func devicesUp(ctx context.Context, st *edge.Station) error {
	return poll(ctx, "devices are not up", func() bool {
		status := st.Status()
		for _, d := range status.Devices {
			if d.State != "ok" {
				return false
			}
		}
		return true
	})
}

// laneTimes are what lanes measure: from the last byte of the scan to the command at the gate. It is safe for
// concurrent use.
type laneTimes struct {
	mu    sync.Mutex
	total hist
}

func (h *laneTimes) add(total time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total.add(total)
}

// A scanLane is one lane with its simulated scanner and gate.
type scanLane struct {
	st    *edge.Station
	bench *sim.Bench
	i     int
}

// scan holds a ticket to the scanner, walks through, and waits until the station has recorded the passage.
func (l *scanLane) scan(ctx context.Context, code string, h *laneTimes) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	scanner, gate := fmt.Sprintf("scanner-%d", l.i), fmt.Sprintf("gate-%d", l.i)
	dev, err := l.bench.Scanner(scanner)
	if err != nil {
		return err
	}
	events := l.bench.Tape()
	since := events.Last()
	if err := dev.Scan(ctx, code); err != nil {
		return err
	}
	sent, err := await(ctx, events, scanner, "sent", since)
	if err != nil {
		return err
	}
	permit, err := await(ctx, events, gate, "permit", since)
	if err != nil {
		return err
	}
	h.add(permit.Time.Sub(sent.Time))
	return poll(ctx, "the passage was not recorded", func() bool {
		lane := l.st.Status().Lanes[l.i]
		return lane.Passage == "passed" && lane.AtMs > permit.Time.UnixMilli()
	})
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
