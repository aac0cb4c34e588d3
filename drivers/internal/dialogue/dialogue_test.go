package dialogue_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/dialogue"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
)

// cut takes frames "<x>" of one byte between brackets.
func cut(p []byte) (f string, skip, size int) {
	i := bytes.IndexByte(p, '<')
	if i < 0 {
		return "", len(p), 0
	}
	switch q := p[i:]; {
	case len(q) < 3:
		return "", i, 0
	case q[2] != '>':
		f, skip, size = cut(q[1:])
		return f, i + 1 + skip, size
	default:
		return string(q[1]), i, 3
	}
}

func with(t *testing.T, test func(t *testing.T, s *dialogue.Stream[string], host, device *board.PipeEnd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		host, device := board.Pipe(port.ErrGone)
		s := dialogue.New(host, func(drivers.Event) {}, 50*time.Millisecond, cut)
		test(t, s, host, device)
	})
}

func TestNextPassesOverWhatIsNoFrame(t *testing.T) {
	with(t, func(t *testing.T, s *dialogue.Stream[string], _, device *board.PipeEnd) {
		_, _ = device.Write([]byte("zz<a><b"))
		f, err := s.Next(t.Context(), time.Time{})
		if f != "a" || err != nil {
			t.Fatalf("%q, %v", f, err)
		}
		if _, err := s.Next(t.Context(), time.Now().Add(10*time.Millisecond)); !errors.Is(err, dialogue.ErrQuiet) {
			t.Fatalf("%v, want ErrQuiet for half a frame", err)
		}
		_, _ = device.Write([]byte(">"))
		if f, err := s.Next(t.Context(), time.Time{}); f != "b" || err != nil {
			t.Fatalf("%q, %v, want the frame put together", f, err)
		}
	})
}

func TestAHalfFrameEndsWithTheGap(t *testing.T) {
	with(t, func(t *testing.T, s *dialogue.Stream[string], _, device *board.PipeEnd) {
		_, _ = device.Write([]byte("<"))
		start := time.Now()
		go func() {
			<-time.After(100 * time.Millisecond)
			_, _ = device.Write([]byte("<a>"))
		}()
		f, err := s.Next(t.Context(), start.Add(time.Second))
		if f != "a" || err != nil || time.Since(start) > 110*time.Millisecond {
			t.Errorf("%q, %v after %v", f, err, time.Since(start))
		}
	})
}

func TestAskTakesTheAnswerAndNoOther(t *testing.T) {
	with(t, func(t *testing.T, s *dialogue.Stream[string], host, device *board.PipeEnd) {
		_, _ = device.Write([]byte("<o>")) // came before the question
		go func() {
			buf := make([]byte, 8)
			_, _ = device.Read(buf)
			_, _ = device.Write([]byte("<x><a>"))
		}()
		f, err := s.Ask(t.Context(), []byte("?"), time.Second, func(f string) bool { return f != "x" })
		if f != "a" || err != nil {
			t.Errorf("%q, %v", f, err)
		}
		if _, err := s.Ask(t.Context(), []byte("?"), time.Second, func(string) bool { return true }); !errors.Is(err, dialogue.ErrQuiet) {
			t.Errorf("%v, want ErrQuiet", err)
		}
		_ = device.Close()
		if err := s.Pause(t.Context(), time.Second); !errors.Is(err, port.ErrGone) {
			t.Errorf("%v, want the port's error", err)
		}
	})
}

func TestRunEndsWithItsContextAndTellsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, _ := board.Pipe(port.ErrGone)
		var last drivers.Health
		s := dialogue.New(host, func(e drivers.Event) { last = e.(drivers.Health) }, time.Second, cut)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := s.Run(ctx, "x", func(ctx context.Context) error {
			_, err := s.Ask(ctx, []byte("?"), 100*time.Millisecond, func(string) bool { return true })
			return err
		})
		if err != nil || last.State != drivers.StateLost || last.Errors < 2 {
			t.Errorf("%v, %+v", err, last)
		}
	})
}

// TestABabblerDoesNotHoldUp: a device that sends frames without end answers no question, and a pause ends.
func TestABabblerDoesNotHoldUp(t *testing.T) {
	with(t, func(t *testing.T, s *dialogue.Stream[string], _, device *board.PipeEnd) {
		stop := make(chan struct{})
		over := make(chan struct{})
		go func() {
			defer close(over)
			tick := time.NewTicker(100 * time.Microsecond)
			defer tick.Stop()
			for {
				_, _ = device.Write([]byte("<x>"))
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		}()
		start := time.Now()
		if err := s.Pause(t.Context(), 100*time.Millisecond); err != nil {
			t.Error(err)
		}
		_, err := s.Ask(t.Context(), []byte("?"), 100*time.Millisecond, func(f string) bool { return f != "x" })
		if took := time.Since(start); !errors.Is(err, dialogue.ErrQuiet) || took > time.Second {
			t.Errorf("%v after %v", err, took)
		}
		close(stop)
		<-over
	})
}
