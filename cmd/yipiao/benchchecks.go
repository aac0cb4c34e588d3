package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"yipiao/edge"
	"yipiao/sync/ticket"
)

// Goals of architecture.md section 4, as multiples of raw, by callers.
var rateGoals = map[string]map[int]float64{
	"in process": {8: 5, 64: 20},
	"https":      {1: 0.45, 8: 1.5, 64: 3},
	"http":       {1: 0.45, 8: 1.8, 64: 4},
}

var benchCallers = []int{1, 8, 64, 256}

// checks measures durable checks at 100,000 tickets: as a process over the LAN, then in this process.
func (b *benchRun) checks(ctx context.Context) error {
	const section = "durable checks, 100,000 tickets"
	s, err := b.ready(ctx, "checks", 100_000)
	if err != nil {
		return err
	}
	defer s.close()
	if err := b.overLAN(ctx, s, section); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	return s.inside(ctx, nil, func(st *edge.Station) error {
		if err := b.inProcess(ctx, s, st, section); err != nil {
			return err
		}
		if err := b.costs(ctx, s, st); err != nil {
			return err
		}
		return b.written(ctx, s, st, "cost of a check")
	})
}

// ready is a station as a process that holds all tickets and answers a registered device.
func (b *benchRun) ready(ctx context.Context, name string, tickets int) (*benchSite, error) {
	b.say("first load of %d tickets", tickets)
	s, err := b.newSite(ctx, name, tickets)
	if err != nil {
		return nil, err
	}
	if err := s.launch(); err != nil {
		return s, err
	}
	if err := s.loaded(ctx, 2*time.Minute); err != nil {
		return s, err
	}
	if err := s.answers(ctx); err != nil {
		return s, err
	}
	return s, s.register(ctx)
}

// both measures a cell in the quiet and with deltas.
func (s *benchSite) both(cells []*cell, build func() *cell) []*cell {
	quiet, deltas := build(), build()
	quiet.fig.State, deltas.fig.State, deltas.goal = "quiet", "deltas", 0
	inner := deltas.around
	deltas.around = func(ctx context.Context, measure func() error) error {
		changing := func() error {
			_, err := s.cloud.changing(ctx, measure)
			return err
		}
		if inner == nil {
			return changing()
		}
		return inner(ctx, changing)
	}
	return append(cells, quiet, deltas)
}

func (b *benchRun) overLAN(ctx context.Context, s *benchSite, section string) error {
	ways, err := s.ways()
	if err != nil {
		return err
	}
	var cells []*cell
	for _, w := range ways {
		for _, n := range benchCallers {
			cells = s.both(cells, func() *cell {
				c := &cell{
					fig:  figure{Section: section, Name: "LAN API", Way: w.name, Tickets: s.cloud.tickets, Callers: n},
					goal: rateGoals[w.name][n], codes: s.codes,
				}
				s.lean(c, w)
				return c
			})
		}
	}
	return b.block(ctx, cells)
}

// direct asks a station in this process.
func direct(st *edge.Station) asks {
	return func(ctx context.Context, c *caller) error {
		v, err := st.Check(ctx, edge.CheckRequest{Device: "bench", Nonce: c.nonce, Kind: ticket.RequestEntry, Lane: "door", Code: c.code})
		if err == nil && v.Outcome() != ticket.OutcomeAdmit {
			err = fmt.Errorf("refused: %s", v.Reason)
		}
		return err
	}
}

func (b *benchRun) inProcess(ctx context.Context, s *benchSite, st *edge.Station, section string) error {
	var cells []*cell
	for _, n := range benchCallers {
		cells = s.both(cells, func() *cell {
			return &cell{
				fig:  figure{Section: section, Name: "checks", Way: "in process", Tickets: s.cloud.tickets, Callers: n},
				goal: rateGoals["in process"][n], codes: s.codes, do: direct(st),
			}
		})
	}
	return b.block(ctx, cells)
}

// costs measures what a check takes besides time, in process.
func (b *benchRun) costs(ctx context.Context, s *benchSite, st *edge.Station) error {
	const section = "cost of a check"
	do := direct(st)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := ownCPU()
	r, err := drive(ctx, 8, b.span, 0, s.codes, do)
	if err != nil {
		return err
	}
	cpu = ownCPU() - cpu
	runtime.ReadMemStats(&after)
	f := plain(section, "allocations, whole process", "", float64(after.Mallocs-before.Mallocs)/float64(r.n))
	f.Callers, f.Note = 8, fmt.Sprintf("%.0f B; with the projection, the pages' news and the bench itself", float64(after.TotalAlloc-before.TotalAlloc)/float64(r.n))
	b.add(f)
	f = plain(section, "processor time, whole process", "us", float64(cpu.Microseconds())/float64(r.n))
	f.Callers = 8
	b.add(f)
	path, where, err := onPath(ctx, s.codes, do)
	if err != nil {
		return err
	}
	f = most(section, "allocations, decision path", "", path, 0)
	f.Callers, f.Note, f.OK = 1, where, said(path < 1) // rounded down, as testing.AllocsPerRun does
	b.add(f)
	f = figure{Section: section, Name: "instructions, user space, whole process", Callers: 8}
	count, err := instructions(func() error {
		r, err = drive(ctx, 8, b.span, 0, s.codes, do)
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		f.Note = "not counted: " + err.Error()
	default:
		f.Value = number(float64(count) / float64(r.n))
	}
	b.add(f)
	return nil
}

// onPath counts the allocations of a check that the decision path itself makes, by their call stacks: what
// other goroutines allocate at the same time is not its. where names the places, if there are any.
func onPath(ctx context.Context, codes []string, do asks) (each float64, where string, err error) {
	old := runtime.MemProfileRate
	runtime.MemProfileRate = 1
	defer func() { runtime.MemProfileRate = old }()
	const warm, span = 200 * time.Millisecond, 300 * time.Millisecond
	if _, err := drive(ctx, 1, warm, 0, codes, do); err != nil {
		return 0, "", err
	}
	before := allocated()
	r, err := drive(ctx, 1, span, 0, codes, do)
	if err != nil {
		return 0, "", err
	}
	total := int64(0)
	var places []string
	for place, n := range allocated() {
		if n -= before[place]; n > 0 {
			total += n
			if n*100 > int64(r.n) { // less is a buffer that grew
				places = append(places, place)
			}
		}
	}
	return float64(int(float64(total)/float64(r.n)*100)) / 100, strings.Join(places, ", "), nil
}

// allocated counts the objects allocated so far below edge.(*Station).Check, by the function that did.
func allocated() map[string]int64 {
	runtime.GC() // allocations show in the profile after the second collection
	runtime.GC()
	var records []runtime.MemProfileRecord
	for n, ok := runtime.MemProfile(nil, true); !ok; {
		records = make([]runtime.MemProfileRecord, n+100)
		n, ok = runtime.MemProfile(records, true)
		records = records[:min(n, len(records))]
	}
	out := make(map[string]int64)
	for i := range records {
		frames, place := runtime.CallersFrames(records[i].Stack()), ""
		for {
			f, more := frames.Next()
			if place == "" && strings.HasPrefix(f.Function, "yipiao/") {
				place = f.Function
			}
			if strings.HasSuffix(f.Function, "edge.(*Station).Check") {
				out[place] += records[i].AllocObjects
			}
			if !more {
				break
			}
		}
	}
	return out
}
