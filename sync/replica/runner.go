package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/sync/link"
	"yipiao/sync/wire"
)

// Config is what a Runner needs.
type Config struct {
	Store Store
	Cloud link.Cloud
	Epoch uint32 // journal epoch
	Rows  int    // rows per page while gates are active
	// Idle reports whether no gate is active, so that pages may be as large as they can be: a catching up
	// station needs fewer transactions. nil means never.
	Idle func() bool
	// WaitMs is how long a poll waits for news, milliseconds.
	WaitMs int
	// Heard is told the outcome of every exchange: nil when the cloud served it, with the cloud's time.
	// A *wire.Error is an answer too, but none that makes anything newer. It must not block.
	Heard func(direction string, timeMs int64, err error)
	// Pause waits, or returns ctx's error. Tests replace it; nil means real time.
	Pause func(ctx context.Context, d time.Duration) error
}

// A Runner drives Down and Up against a cloud.
type Runner struct{ cfg Config }

// New checks the configuration.
func New(cfg Config) (*Runner, error) {
	if cfg.Store == nil || cfg.Cloud == nil {
		return nil, errors.New("replica: store and cloud are required")
	}
	if cfg.Heard == nil {
		cfg.Heard = func(string, int64, error) {}
	}
	if cfg.Pause == nil {
		cfg.Pause = sleep
	}
	return &Runner{cfg: cfg}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RunDown follows the feed until ctx ends; it then returns nil.
func (r *Runner) RunDown(ctx context.Context) error {
	epoch, cursor := r.cfg.Store.Cursor()
	d := NewDown(epoch, cursor, r.cfg.Rows, r.cfg.WaitMs)
	act := d.Step(DownEvent{Woke: true})
	for ctx.Err() == nil {
		if act.Poll != nil {
			// The store may have begun the feed anew by itself, because it has lost entries.
			if e, c := r.cfg.Store.Cursor(); e != act.Poll.Epoch || c != act.Poll.Cursor {
				d = NewDown(e, c, r.cfg.Rows, r.cfg.WaitMs)
				act = d.Step(DownEvent{Woke: true})
			}
			if r.cfg.Idle != nil && r.cfg.Idle() {
				act.Poll.Limit = wire.MaxPageRows
			}
		}
		act = d.Step(r.down(ctx, act))
	}
	return nil
}

func (r *Runner) down(ctx context.Context, act DownAction) DownEvent {
	switch {
	case act.Poll != nil:
		p, err := r.cfg.Cloud.Feed(ctx, *act.Poll)
		r.heard(ctx, "feed", p.TimeMs, err)
		if err != nil {
			return DownEvent{Failed: true}
		}
		return DownEvent{Page: &p}
	case act.Reset != "":
		if r.cfg.Store.Reset(ctx, act.Reset) != nil {
			return DownEvent{Failed: true}
		}
		return DownEvent{Applied: true}
	case act.Apply != nil:
		err := r.cfg.Store.Apply(ctx, act.Apply)
		switch {
		case errors.Is(err, ErrNotYet):
			return DownEvent{NotYet: true}
		case err != nil:
			r.heard(ctx, "apply", 0, fmt.Errorf("apply: %w", err))
			return DownEvent{Failed: true}
		}
		return DownEvent{Applied: true}
	}
	_ = r.cfg.Pause(ctx, act.Sleep) // the loop sees that ctx has ended
	return DownEvent{Woke: true}
}

// RunUp uploads the journal until ctx ends; it then returns nil.
func (r *Runner) RunUp(ctx context.Context) error {
	u := NewUp(r.cfg.Store.Acked())
	act := u.Step(UpEvent{Woke: true}, r.cfg.Store.Durable().Seq)
	for ctx.Err() == nil {
		ev := r.up(ctx, act)
		act = u.Step(ev, r.cfg.Store.Durable().Seq)
	}
	return nil
}

func (r *Runner) up(ctx context.Context, act UpAction) UpEvent {
	switch {
	case act.Upload != 0:
		entries, err := r.cfg.Store.Journal(act.Upload, wire.MaxBatchEntries, wire.MaxBatchBytes)
		if err == nil && len(entries) == 0 {
			err = errors.New("no durable entry there")
		}
		if err != nil {
			r.heard(ctx, "journal", 0, fmt.Errorf("read journal from %d: %w", act.Upload, err))
			return UpEvent{Failed: true}
		}
		ack, err := r.cfg.Cloud.Upload(ctx, &wire.Batch{Epoch: r.cfg.Epoch, Entries: entries})
		var said *wire.Error
		if errors.As(err, &said) && said.Code == wire.CodeGap && said.Ack != nil {
			ack, err = *said.Ack, nil
		}
		r.heard(ctx, "journal", ack.TimeMs, err)
		if err != nil {
			return UpEvent{Failed: true}
		}
		r.cfg.Store.SetAcked(ack)
		return UpEvent{Acked: &ack}
	case act.Await != 0:
		if err := r.cfg.Store.WaitDurable(ctx, act.Await); err != nil {
			r.heard(ctx, "journal", 0, fmt.Errorf("wait for entry %d: %w", act.Await, err))
			return UpEvent{Failed: true}
		}
		return UpEvent{Woke: true}
	}
	_ = r.cfg.Pause(ctx, act.Sleep)
	return UpEvent{Woke: true}
}

// heard reports an exchange unless it failed only because the runner is being stopped.
func (r *Runner) heard(ctx context.Context, direction string, timeMs int64, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	r.cfg.Heard(direction, timeMs, err)
}
