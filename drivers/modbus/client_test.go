package modbus_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/modbus"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
)

// ask is the request of most of these tests, and answered its good answer.
var ask = modbus.Request{Unit: 17, Func: modbus.ReadHoldingRegisters, Addr: 0x6B, Count: 3}

func answered(values ...uint16) []byte {
	return modbus.AppendResponse(nil, modbus.Response{Unit: 17, Func: modbus.ReadHoldingRegisters, Values: values})
}

// A slave plays the device by hand: it answers each frame it gets with the next of its answers, each
// of which is written in pieces with a pause between them.
type slave struct {
	answers [][]piece

	mu  sync.Mutex // guards the fields below
	got [][]byte
	at  []time.Time // when each frame came
}

// heard is how many requests the slave has got by now.
func (s *slave) heard() int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

type piece struct {
	after time.Duration
	data  []byte
}

func now(p []byte) []piece { return []piece{{0, p}} }

// serve reads frames until the line ends. Frames arrive whole: the master writes them so.
func (s *slave) serve(dev *board.PipeEnd) {
	buf := make([]byte, 512)
	for {
		n, err := dev.Read(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, bytes.Clone(buf[:n]))
		s.at = append(s.at, time.Now())
		s.mu.Unlock()
		if len(s.answers) == 0 {
			continue
		}
		next := s.answers[0]
		s.answers = s.answers[1:]
		for _, p := range next {
			<-time.After(p.after)
			if _, err := dev.Write(p.data); err != nil {
				return
			}
		}
	}
}

// onLine runs a test with a client on a line to a slave, on a clock that only moves while all wait.
func onLine(t *testing.T, answers [][]piece, test func(t *testing.T, c *modbus.Client, s *slave, dev *board.PipeEnd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		host, dev := board.Pipe(port.ErrGone)
		s := &slave{answers: answers}
		done := make(chan struct{})
		go func() { defer close(done); s.serve(dev) }()
		test(t, modbus.NewClient(host, modbus.Options{}), s, dev)
		_ = host.Close()
		<-done
	})
}

func TestClientReads(t *testing.T) {
	onLine(t, [][]piece{now(answered(1, 2, 3))}, func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
		resp, err := c.Do(t.Context(), ask)
		got := resp.Values
		if err != nil || !reflect.DeepEqual(got, []uint16{1, 2, 3}) {
			t.Errorf("%v, %v", got, err)
		}
		want, _ := modbus.AppendRequest(nil, ask)
		if s.heard() != 1 || !bytes.Equal(s.got[0], want) {
			t.Errorf("the slave got % x, want % x", s.got, want)
		}
	})
}

func TestClientTakesAnAnswerInPiecesAndBehindAStrayByte(t *testing.T) {
	good := answered(1, 2, 3)
	onLine(t, [][]piece{{{0, []byte{0x00}}, {100 * time.Millisecond, good[:4]}, {40 * time.Millisecond, good[4:]}}},
		func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
			resp, err := c.Do(t.Context(), ask)
			if err != nil || !reflect.DeepEqual(resp.Values, []uint16{1, 2, 3}) || s.heard() != 1 {
				t.Errorf("%+v, %v after %d requests", resp, err, s.heard())
			}
		})
}

func TestClientRepeatsAReadOnce(t *testing.T) {
	flipped := answered(1, 2, 3)
	flipped[5] ^= 0x10
	cases := []struct {
		name  string
		first []piece
	}{
		{"silence", nil},
		{"a flipped bit", now(flipped)},
		{"an answer that breaks off", now(flipped[:6])},
		{"another unit", now(modbus.AppendResponse(nil, modbus.Response{Unit: 18, Func: 3, Values: []uint16{1, 2, 3}}))},
		{"too few registers", now(answered(1, 2))},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			onLine(t, [][]piece{tc.first, now(answered(4, 5, 6))}, func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
				resp, err := c.Do(t.Context(), ask)
				if err != nil || !reflect.DeepEqual(resp.Values, []uint16{4, 5, 6}) {
					t.Errorf("%+v, %v", resp, err)
				}
				if s.heard() != 2 {
					t.Errorf("%d requests, want 2", s.heard())
				}
			})
		})
	}
}

func TestClientGivesUpAfterTwoReads(t *testing.T) {
	onLine(t, nil, func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
		start := time.Now()
		_, err := c.Do(t.Context(), ask)
		if !errors.Is(err, modbus.ErrTimeout) || !modbus.Survivable(err) {
			t.Errorf("%v, want ErrTimeout", err)
		}
		if s.heard() != 2 {
			t.Errorf("%d requests, want 2", s.heard())
		}
		if took := time.Since(start); took < 2*modbus.DefaultTimeout || took > 2*modbus.DefaultTimeout+100*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestClientNeverRepeatsAWriteOfUnknownEffect(t *testing.T) {
	for _, repeatable := range []bool{false, true} {
		onLine(t, nil, func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
			_, err := c.Do(t.Context(), modbus.Request{
				Unit: 17, Func: modbus.WriteRegisters, Addr: 1, Values: []uint16{1}, Repeatable: repeatable,
			})
			if !errors.Is(err, modbus.ErrTimeout) {
				t.Errorf("%v, want ErrTimeout", err)
			}
			if want := map[bool]int{false: 1, true: 2}[repeatable]; s.heard() != want {
				t.Errorf("repeatable %v: %d requests, want %d", repeatable, s.heard(), want)
			}
		})
	}
}

func TestClientTakesAnExceptionForAnAnswer(t *testing.T) {
	no := modbus.AppendResponse(nil, modbus.Response{Unit: 17, Func: 3, Exception: modbus.IllegalAddress})
	onLine(t, [][]piece{now(no)}, func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
		_, err := c.Do(t.Context(), ask)
		var e modbus.Exception
		if !errors.As(err, &e) || e != modbus.IllegalAddress || !modbus.Survivable(err) {
			t.Errorf("%v, want exception 2", err)
		}
		if s.heard() != 1 {
			t.Errorf("%d requests, want 1: an exception is final", s.heard())
		}
	})
}

func TestClientKeepsTheGapAndForgetsLateAnswers(t *testing.T) {
	late := []piece{{modbus.DefaultTimeout + 2*time.Millisecond, answered(9, 9, 9)}}
	onLine(t, [][]piece{late, now(answered(1, 2, 3)), now(answered(4, 5, 6))}, func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
		// The answer to the first request comes while the second is about to be sent.
		resp, err := c.Do(t.Context(), ask)
		if err != nil || !reflect.DeepEqual(resp.Values, []uint16{1, 2, 3}) {
			t.Errorf("%+v, %v; want the answer to the repeated request", resp, err)
		}
		answeredAt := time.Now()
		if _, err := c.Do(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
		s.heard()
		if gap := s.at[2].Sub(answeredAt); gap < modbus.DefaultGap {
			t.Errorf("the next request came %v after an answer, want %v at least", gap, modbus.DefaultGap)
		}
	})
}

func TestClientEndsWithAPortThatIsGone(t *testing.T) {
	onLine(t, nil, func(t *testing.T, c *modbus.Client, _ *slave, dev *board.PipeEnd) {
		time.AfterFunc(10*time.Millisecond, func() { _ = dev.Close() })
		_, err := c.Do(t.Context(), ask)
		if !errors.Is(err, port.ErrGone) || modbus.Survivable(err) {
			t.Errorf("%v, want port.ErrGone, which is not survivable", err)
		}
	})
}

func TestClientOnALineThatIsNeverSilent(t *testing.T) {
	onLine(t, nil, func(t *testing.T, c *modbus.Client, s *slave, dev *board.PipeEnd) {
		ctx, cancel := context.WithCancel(t.Context())
		babbled := make(chan struct{})
		go func() {
			defer close(babbled)
			for ctx.Err() == nil {
				_, _ = dev.Write([]byte("zzzz"))
				<-time.After(time.Millisecond)
			}
		}()
		synctest.Wait()
		_, err := c.Do(t.Context(), ask)
		cancel()
		<-babbled
		if !errors.Is(err, modbus.ErrBadFrame) || !modbus.Survivable(err) {
			t.Errorf("%v, want ErrBadFrame", err)
		}
		if s.heard() != 0 {
			t.Errorf("%d requests were sent into the noise", s.heard())
		}
	})
}

func TestClientEndsWithItsContext(t *testing.T) {
	onLine(t, nil, func(t *testing.T, c *modbus.Client, s *slave, _ *board.PipeEnd) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Do(ctx, ask); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
		if s.heard() != 0 {
			t.Error("sent although the context had ended")
		}
	})
}

func TestObserveCountsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, dev := board.Pipe(port.ErrGone)
		s := &slave{answers: [][]piece{nil, now(answered(1, 2, 3))}}
		done := make(chan struct{})
		go func() { defer close(done); s.serve(dev) }()
		var seen []error
		c := modbus.NewClient(host, modbus.Options{Observe: func(err error) { seen = append(seen, err) }})
		if _, err := c.Do(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 2 || !errors.Is(seen[0], modbus.ErrTimeout) || seen[1] != nil {
			t.Errorf("observed %v, want a time-out and a good frame", seen)
		}
		_ = host.Close()
		<-done
	})
}
