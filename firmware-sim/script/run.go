package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/control"
)

// network is the name below which the stretch of network is steered.
const network = "wan"

// wanActs are what can be done to it.
var wanActs = []bench.Act{
	{Name: "cut"}, {Name: "mend"}, {Name: "delay", Keys: []bench.Key{{Name: "ms", Type: bench.Number}}},
}

// A runner is one run of a script.
type runner struct {
	client *control.Client
	say    io.Writer
	acts   map[string][]bench.Act // by device
	seen   map[string]uint64      // by device: the last event that an await took
	start  uint64                 // the last event before the run
	rng    *rand.Rand
}

// Run checks every line against what is on the bench, and then does one after the other; each is written to say
// first. It ends with the first act that fails, with an await whose event does not come, or with ctx. Waits that are
// a range are drawn from the script's seed, 0 unless it sets one.
func (s *Script) Run(ctx context.Context, c *control.Client, say io.Writer) error {
	r := &runner{
		client: c, say: say, seen: make(map[string]uint64), acts: map[string][]bench.Act{network: wanActs}, rng: seeded(0),
	}
	if err := r.learn(ctx, s); err != nil {
		return err
	}
	var wrong []error
	for _, st := range s.lines {
		if st.act == nil {
			continue
		}
		if _, err := r.arguments(st.act); err != nil {
			wrong = append(wrong, at(st.number, err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	for _, st := range s.lines {
		if _, err := fmt.Fprintf(say, "%4d  %s\n", st.number, st.text); err != nil {
			return err
		}
		if err := r.do(ctx, st); err != nil {
			return at(st.number, err)
		}
	}
	return nil
}

// learn asks the bench what there is.
func (r *runner) learn(ctx context.Context, s *Script) error {
	devices, err := r.client.Devices(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, d := range devices {
		names = append(names, d.Name)
	}
	for _, name := range s.devices() {
		if !slices.Contains(names, name) {
			return at(s.line(name), fmt.Errorf("没有设备 %q，有 (no such device, there are) %s", name, strings.Join(names, ", ")))
		}
		if r.acts[name], err = r.client.Acts(ctx, name); err != nil {
			return err
		}
	}
	_, r.start, err = r.client.Events(ctx, "", 0, 0)
	return err
}

// line is the first one that names a device.
func (s *Script) line(device string) int {
	for _, st := range s.lines {
		if st.act != nil && st.act.device == device || st.await != nil && st.await.device == device {
			return st.number
		}
	}
	return 0
}

// arguments finds an act and what it is to be given.
func (r *runner) arguments(a *act) (map[string]any, error) {
	var names []string
	for _, can := range r.acts[a.device] {
		if can.Name == a.name {
			return arguments(can, a.pairs)
		}
		names = append(names, can.Name)
	}
	return nil, fmt.Errorf("%s 没有动作 %q，有 (has no such act, but) %s", a.device, a.name, strings.Join(names, ", "))
}

func (r *runner) do(ctx context.Context, st statement) error {
	switch {
	case st.seed != nil:
		r.rng = seeded(*st.seed)
	case st.wait != nil:
		return r.wait(ctx, *st.wait)
	case st.await != nil:
		return r.await(ctx, st.await)
	case st.act.device == network:
		return r.network(ctx, st.act)
	default:
		args, err := r.arguments(st.act)
		if err != nil {
			return err
		}
		return r.client.Act(ctx, st.act.device, st.act.name, args)
	}
	return nil
}

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 0)) }

func (r *runner) wait(ctx context.Context, s span) error {
	d := s.from
	if s.to > s.from {
		d += time.Duration(r.rng.Int64N(int64(s.to - s.from)))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await takes the next event of its kind after the one that the last await of this device took.
func (r *runner) await(ctx context.Context, a *await) error {
	until := time.Now().Add(a.within)
	since := max(r.seen[a.device], r.start)
	for {
		left := time.Until(until)
		events, last, err := r.client.Events(ctx, a.device, since, max(left, 0))
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Kind == a.kind {
				r.seen[a.device] = e.Seq
				return nil
			}
		}
		since = last
		if left <= 0 {
			return fmt.Errorf("%s 在 %v 内没有事件 %q (no such event in time)", a.device, a.within, a.kind)
		}
	}
}

func (r *runner) network(ctx context.Context, a *act) error {
	switch a.name {
	case "cut":
		return r.client.CutWAN(ctx)
	case "mend":
		return r.client.MendWAN(ctx)
	}
	args, err := r.arguments(a)
	if err != nil {
		return err
	}
	n, _ := args["ms"].(int64)
	return r.client.DelayWAN(ctx, time.Duration(n)*time.Millisecond)
}
