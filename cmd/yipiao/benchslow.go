package main

import (
	"context"
	"time"

	"yipiao/edge"
)

// slowSync is what an emulated slow disk adds to each sync.
const slowSync = 6 * time.Millisecond

// slow measures checks in process where a sync takes 6 ms longer; raw is as slow.
func (b *benchRun) slow(ctx context.Context) error {
	s, err := b.ready(ctx, "slow", 100_000)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.stop(); err != nil {
		return err
	}
	b.raw.delay = slowSync
	defer func() { b.raw.delay = 0 }()
	return s.inside(ctx, func(c *edge.Config) { c.SyncDelay = slowSync }, func(st *edge.Station) error {
		var cells []*cell
		for _, n := range []int{1, 8, 64} {
			cells = append(cells, &cell{
				fig:  figure{Section: "slow disk: sync + 6 ms", Name: "checks", Way: "in process", Tickets: s.cloud.tickets, State: "quiet", Callers: n},
				goal: rateGoals["in process"][n], codes: s.codes, do: direct(st),
			})
		}
		return b.block(ctx, cells)
	})
}
