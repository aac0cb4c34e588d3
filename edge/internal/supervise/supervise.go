// Package supervise runs a program's services side by side: restarts what failed with a growing,
// jittered pause, captures panics, and stops all when one says that going on is pointless. It must
// not know what the services do.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// A Service runs until ctx ends and then returns nil, after everything it started has ended.
type Service struct {
	Name string
	Run  func(ctx context.Context) error
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error after which a service must not be restarted and the program should end.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// Run runs the services until ctx ends or one returns a Permanent error, which it returns after all
// have ended.
func Run(ctx context.Context, log *slog.Logger, services ...Service) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var fatal error
	for _, s := range services {
		wg.Go(func() {
			if err := keep(ctx, log.With("service", s.Name), s); err != nil {
				mu.Lock()
				fatal = errors.Join(fatal, fmt.Errorf("%s: %w", s.Name, err))
				mu.Unlock()
				cancel()
			}
		})
	}
	wg.Wait()
	return fatal
}

func keep(ctx context.Context, log *slog.Logger, s Service) error {
	pause := firstPause
	for {
		began := time.Now()
		err := guarded(ctx, s)
		var p permanent
		switch {
		case errors.As(err, &p):
			return p.error
		case ctx.Err() != nil:
			return nil
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		log.Error("service ended, starting it again", "error", err, "pause", pause)
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		pause = min(2*pause, lastPause)
	}
}

func guarded(ctx context.Context, s Service) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return s.Run(ctx)
}
