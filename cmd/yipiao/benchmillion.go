package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"yipiao/edge"
)

const (
	million      = 1_000_000
	catchUpRows  = 100_000
	sectionBig   = "1,000,000 tickets"
	sectionRates = "durable checks, 1,000,000 tickets"
)

// million measures a station with 1,000,000 tickets, a process of its own.
func (b *benchRun) million(ctx context.Context) error {
	s, err := b.newSite(ctx, "million", million)
	if err != nil {
		return err
	}
	defer s.close()
	if err := b.firstLoad(ctx, s); err != nil {
		return err
	}
	if err := b.overLAN(ctx, s, sectionRates); err != nil {
		return err
	}
	if err := b.deltas(ctx, s); err != nil {
		return err
	}
	if err := b.memory(s, "with checks and deltas"); err != nil {
		return err
	}
	b.say("let it settle")
	if err := wait(ctx, 8*time.Second); err != nil {
		return err
	}
	if err := b.memory(s, "settled"); err != nil {
		return err
	}
	if err := b.starts(ctx, s); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	return s.inside(ctx, nil, func(st *edge.Station) error { return b.inProcess(ctx, s, st, sectionRates) })
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *benchRun) firstLoad(ctx context.Context, s *benchSite) error {
	b.say("first load of %d tickets", million)
	raw, err := b.raw.measure(ctx, b.span)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.launch(); err != nil {
		return err
	}
	if err := s.loaded(ctx, 3*time.Minute); err != nil {
		return err
	}
	took := time.Since(began)
	pid := s.proc.cmd.Process.Pid
	cpu, err := cpuOf(pid)
	if err != nil {
		return err
	}
	written, err := handedOver(pid)
	if err != nil {
		return err
	}
	zeroed, err := s.segments()
	if err != nil {
		return err
	}
	b.add(plain(sectionBig, "first load, wall time over TLS", "s", took.Seconds()))
	b.add(plain(sectionBig, "first load", "rows/s", million/took.Seconds()))
	f := most(sectionBig, "first load, apply", "s", s.cloud.stationTime().Seconds(), 6).against(raw.p99)
	f.Note = fmt.Sprintf("between a page's last byte and the next request, decoding included; %.1f s of processor %s", cpu.Seconds(), f.Note)
	b.add(f)
	f = most(sectionBig, "first load, written", "MiB", (written-zeroed)/(1<<20), 250)
	f.Note = fmt.Sprintf("and %.0f MiB of journal made ahead, once", zeroed/(1<<20))
	b.add(f)
	if err := s.answers(ctx); err != nil {
		return err
	}
	if err := b.memory(s, "after the first load"); err != nil {
		return err
	}
	return s.register(ctx)
}

// segments is the size of the journal's files, bytes: they are written with zeros before they are used.
func (s *benchSite) segments() (sum float64, err error) {
	files, err := filepath.Glob(filepath.Join(s.data(), "journal", "*", "*.seg"))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return 0, err
		}
		sum += float64(info.Size())
	}
	return sum, err
}

// memory reports what the station's process takes: private is anonymous memory, resident is everything,
// with the mapped pages of the catalogue, which the kernel takes back when it needs them.
func (b *benchRun) memory(s *benchSite, when string) error {
	pid := s.proc.cmd.Process.Pid
	private, err1 := procField(pid, "smaps_rollup", "Anonymous")
	resident, err2 := procField(pid, "smaps_rollup", "Rss")
	peak, err3 := procField(pid, "status", "VmHWM")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	b.add(most(sectionBig, "private memory, "+when, "MB", private/1000*1.024, 128))
	f := most(sectionBig, "resident memory, "+when, "MB", resident/1000*1.024, 256)
	f.Note = fmt.Sprintf("highest so far %.0f MB", peak/1000*1.024)
	b.add(f)
	return nil
}

// deltas measures how quickly changes are applied, with gates active and when catching up.
func (b *benchRun) deltas(ctx context.Context, s *benchSite) error {
	ways, err := s.ways()
	if err != nil {
		return err
	}
	c := &cell{fig: figure{Callers: pacedGates}, codes: s.codes}
	s.lean(c, ways[0])
	err = c.around(ctx, func() error {
		for _, state := range []string{"quiet", "deltas"} {
			if err := b.paced(ctx, s, c.do, "gates, 1,000,000 tickets, over HTTPS", state); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.say("catching up with %d rows", catchUpRows)
	raw, err := b.raw.measure(ctx, b.span/2)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.cloud.applied(ctx, s.cloud.change(catchUpRows)); err != nil {
		return err
	}
	b.add(least(sectionBig, "delta apply, catching up", "rows/s", catchUpRows/time.Since(began).Seconds(), 30_000).against(raw.p99))
	return nil
}

// starts measures from starting the program to its first admission, over plain HTTP.
func (b *benchRun) starts(ctx context.Context, s *benchSite) error {
	snapshot := filepath.Join(s.data(), "index.snap")
	ways, err := s.ways()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name    string
		kill    bool
		rebuild bool
		goal    float64
	}{
		{"start from the snapshot, after a stop", false, false, 0.5}, {"start from the snapshot, after kill -9", true, false, 0.5},
		{"start, rebuilding, after a stop", false, true, 3}, {"start, rebuilding, after kill -9", true, true, 3},
	} {
		var took, rawP99 []float64
		for pass := range b.passes {
			b.say("%s, pass %d", c.name, pass+1)
			end := s.stop
			if c.kill {
				busy := &cell{fig: figure{Callers: 8}, codes: s.codes}
				s.lean(busy, ways[1])
				if err := b.measure(ctx, busy); err != nil { // facts that no checkpoint covers
					return err
				}
				end = s.kill
			}
			if err := end(); err != nil {
				return err
			}
			if c.rebuild {
				if err := os.Remove(snapshot); err != nil {
					return err
				}
			}
			raw, err := b.raw.measure(ctx, b.span/4)
			if err != nil {
				return err
			}
			d, err := s.firstAnswer(ctx, ways[1])
			if err != nil {
				return err
			}
			took, rawP99 = append(took, d.Seconds()), append(rawP99, raw.p99)
			if c.rebuild { // a snapshot again, for the next to remove
				if err := errors.Join(s.stop(), s.launch(), s.answers(ctx)); err != nil {
					return err
				}
			}
		}
		b.add(most(sectionBig, c.name, "s", median(took), c.goal).against(median(rawP99)))
	}
	return nil
}

// firstAnswer starts the station and returns how long it took until a check was admitted.
func (s *benchSite) firstAnswer(ctx context.Context, w lanWay) (time.Duration, error) {
	began := time.Now()
	if err := s.launch(); err != nil {
		return 0, err
	}
	var last error
	for time.Since(began) < readyIn && ctx.Err() == nil {
		c, err := s.dial(ctx, w)
		if err == nil {
			return time.Since(began), c.conn.Close()
		}
		last = err
		select {
		case <-s.proc.done:
			return 0, fmt.Errorf("stationd ended: %w; %s", s.proc.err, s.proc.log)
		case <-time.After(time.Millisecond):
		}
	}
	return 0, fmt.Errorf("the station does not answer: %w", errors.Join(last, ctx.Err()))
}
