package uplink

import (
	"context"
	"errors"
)

// errMoved ends a call whose link has died while another one works.
var errMoved = errors.New("uplink: the link died, another one is used")

// Do makes a call over the link in use, and over the next one that works when the link dies meanwhile. call gets
// the number of the link and must send the same each time, under the same idempotency key; it returns soon after
// its context has ended. The error is the last one, or ctx's.
func (m *Monitor) Do(ctx context.Context, call func(ctx context.Context, link int) error) error {
	tried := make([]bool, len(m.cfg.Links))
	i, dead := m.first()
	for {
		tried[i] = true
		err := m.over(ctx, i, dead, call)
		if err == nil || ctx.Err() != nil || m.cfg.Answer(err) {
			return err
		}
		m.doubt(i)
		next, nextDead, ok := m.next(tried)
		if !ok {
			return err
		}
		i, dead = next, nextDead
	}
}

func (m *Monitor) over(ctx context.Context, i int, dead <-chan struct{}, call func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-dead:
			cancel(errMoved)
		case <-ended:
		}
	}()
	err := call(ctx, i)
	if err != nil && errors.Is(context.Cause(ctx), errMoved) {
		return errMoved
	}
	return err
}

// first is the link in use; without one the first that may work is tried.
func (m *Monitor) first() (link int, dead <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := max(m.machine.active, 0)
	return i, m.dead[i]
}

// next is the first link that works and was not tried.
func (m *Monitor) next(tried []bool) (link int, dead <-chan struct{}, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.machine.paths {
		if m.machine.paths[i].up && !tried[i] {
			return i, m.dead[i], true
		}
	}
	return 0, nil, false
}

// doubt has a link probed at once.
func (m *Monitor) doubt(i int) {
	select {
	case m.kicks[i] <- struct{}{}:
	default:
	}
}
