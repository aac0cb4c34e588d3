package talk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
)

// An echo sends each command and finishes it when the same bytes come back, or after a second.
type echo struct {
	line    *talk.Line
	now     *talk.Command[string]
	until   time.Time
	most    int // commands at once
	heard   string
	ticks   int
	failing error
}

func (e *echo) Take(p []byte, _ time.Time) error {
	e.heard += string(p)
	if e.now != nil && strings.HasSuffix(e.heard, e.now.What) {
		e.now.Finish(nil)
		e.now.Finish(errors.New("twice")) // changes nothing
		e.now = nil
	}
	return e.failing
}

func (e *echo) Due() (time.Time, bool) { return e.until, e.now != nil }

func (e *echo) Tick(time.Time) error {
	e.ticks++
	e.now.Finish(drivers.ErrNoAnswer)
	e.now = nil
	return nil
}

func (e *echo) Obey(c *talk.Command[string], now time.Time) error {
	if e.now != nil {
		e.most = 2
	}
	e.now, e.until = c, now.Add(time.Second)
	if err := e.line.Send([]byte(c.What)); !errors.Is(err, talk.ErrStuck) {
		return err
	}
	c.Finish(talk.ErrStuck)
	e.now = nil
	return nil
}

// running runs an echo in a bubble.
func running(t *testing.T, test func(t *testing.T, desk *talk.Desk[string], e *echo, device *board.PipeEnd, done <-chan error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var desk talk.Desk[string]
		if err := desk.Do(t.Context(), "x"); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Do before Run: %v", err)
		}
		host, device := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		e, done := &echo{}, make(chan error, 1)
		go func() {
			done <- desk.Run(ctx, host, vitals.New(func(drivers.Event) {}), func(l *talk.Line) talk.Machine[string] {
				e.line = l
				return e
			})
		}()
		synctest.Wait()
		test(t, &desk, e, device, done)
		cancel()
		synctest.Wait()
		if err := desk.Do(t.Context(), "x"); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Do after Run: %v", err)
		}
	})
}

func TestCommandsGoOneAtATime(t *testing.T) {
	running(t, func(t *testing.T, desk *talk.Desk[string], e *echo, device *board.PipeEnd, done <-chan error) {
		results := make(chan error, 3)
		for _, what := range []string{"a", "b", "c"} {
			go func() { results <- desk.Do(t.Context(), what) }()
		}
		buf := make([]byte, 10)
		for range 3 {
			n, err := device.Read(buf)
			if n != 1 || err != nil {
				t.Fatalf("%d bytes, %v; want one command", n, err)
			}
			_, _ = device.Write(buf[:n])
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if e.most > 1 {
			t.Error("two commands at once")
		}
	})
}

func TestNoAnswerAndCallersThatLeave(t *testing.T) {
	running(t, func(t *testing.T, desk *talk.Desk[string], e *echo, device *board.PipeEnd, done <-chan error) {
		start := time.Now()
		if err := desk.Do(t.Context(), "a"); !errors.Is(err, drivers.ErrNoAnswer) || time.Since(start) > 1100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 2 { // the second waits for the first
			if err := desk.Do(ctx, "b"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want the caller's own end", err)
			}
		}
	})
}

func TestBytesInTimeAreNotSilence(t *testing.T) {
	running(t, func(t *testing.T, desk *talk.Desk[string], e *echo, device *board.PipeEnd, done <-chan error) {
		time.AfterFunc(time.Second, func() { _, _ = device.Write([]byte("a")) }) // as late as can be
		if err := desk.Do(t.Context(), "a"); err != nil || e.ticks != 0 {
			t.Errorf("%v, %d ticks; want the answer", err, e.ticks)
		}
	})
}

func TestLineThatTakesNothing(t *testing.T) {
	running(t, func(t *testing.T, desk *talk.Desk[string], e *echo, device *board.PipeEnd, done <-chan error) {
		if err := desk.Do(t.Context(), strings.Repeat("x", 100<<10)); !errors.Is(err, talk.ErrStuck) {
			t.Errorf("%v, want ErrStuck", err)
		}
		select {
		case err := <-done:
			t.Errorf("Run ended: %v", err)
		default:
		}
	})
}

func TestRunEndsWithThePortAndWithItsMachine(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		do   func(e *echo, device *board.PipeEnd)
		want error
	}{
		"unplugged":       {func(_ *echo, device *board.PipeEnd) { _ = device.Close() }, port.ErrGone},
		"machine's error": {func(e *echo, device *board.PipeEnd) { e.failing = broken; _, _ = device.Write([]byte("x")) }, broken},
	} {
		running(t, func(t *testing.T, desk *talk.Desk[string], e *echo, device *board.PipeEnd, done <-chan error) {
			result := make(chan error, 1)
			go func() { result <- desk.Do(t.Context(), "a") }()
			synctest.Wait()
			c.do(e, device)
			if err := <-done; !errors.Is(err, c.want) {
				t.Errorf("%s: Run: %v, want %v", name, err, c.want)
			}
			if err := <-result; !errors.Is(err, drivers.ErrNoAnswer) {
				t.Errorf("%s: Do: %v, want ErrNoAnswer", name, err)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	var told drivers.Health
	v := vitals.New(func(e drivers.Event) { told = e.(drivers.Health) })
	now := time.Unix(1000, 0)
	p := talk.Probe{Every: time.Minute, Vitals: v}
	p.Start(now)
	steps := []struct {
		name string
		do   func()
		want drivers.State
		due  time.Duration // of the next check, 0 for none
	}{
		{"first check", func() { p.Begun(); p.Failed(now) }, drivers.StateAttention, 5 * time.Second},
		{"second check", func() { p.Begun(); p.Failed(now) }, drivers.StateLost, 5 * time.Second},
		{"a code", func() { p.Heard() }, drivers.StateAttention, 5 * time.Second},
		{"third check, codes between", func() { p.Failed(now) }, drivers.StateAttention, 5 * time.Second},
		{"fourth check", func() { p.Failed(now) }, drivers.StateLost, 5 * time.Second},
		{"an answer", func() { p.Answered(now) }, drivers.StateOK, time.Minute},
		{"another code", func() { p.Heard() }, drivers.StateOK, time.Minute},
		{"an answer, no checks wanted", func() { p.Every = 0; p.Answered(now) }, drivers.StateOK, 0},
	}
	at := now
	for _, s := range steps {
		s.do()
		at = at.Add(10 * time.Second)
		v.Flush(at)
		due, ok := p.Due()
		if told.State != s.want || ok != (s.due > 0) || ok && due.Sub(now) != s.due {
			t.Errorf("%s: %+v, due %v %v; want %s, %v", s.name, told, due.Sub(now), ok, s.want, s.due)
		}
	}
}
