package bus_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/bus"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
)

// A bench is a bus over a pipe, in a bubble.
type bench struct {
	t      *testing.T
	bus    *bus.Bus
	device *board.PipeEnd

	mu    sync.Mutex // guards the field below
	notes []string
}

func onBench(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		host, device := board.Pipe(port.ErrGone)
		b := &bench{t: t, device: device}
		b.bus = bus.New(host, bus.Options{Overbooked: func(note string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.notes = append(b.notes, note)
		}})
		test(b)
	})
}

func (b *bench) join() *bus.View {
	b.t.Helper()
	v, ok := b.bus.Join()
	if !ok {
		b.t.Fatal("the bus takes nobody")
	}
	return v
}

func (b *bench) turn(v *bus.View, urgent bool) func() {
	b.t.Helper()
	done, err := v.Turn(context.Background(), urgent)
	if err != nil {
		b.t.Fatal(err)
	}
	return done
}

// elapse lets time pass in a bubble.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestPermitsFirstThenWhoWaitsLongest(t *testing.T) {
	onBench(t, func(b *bench) {
		done := b.turn(b.join(), false)
		order := make(chan string, 4)
		for _, w := range []struct {
			name   string
			urgent bool
		}{{"poll 1", false}, {"poll 2", false}, {"permit 1", true}, {"permit 2", true}} {
			v := b.join()
			go func() {
				done, err := v.Turn(context.Background(), w.urgent)
				if err != nil {
					t.Error(err)
					return
				}
				order <- w.name
				done()
				done() // again: nothing
			}()
			elapse(time.Millisecond)
		}
		done()
		var got []string
		for range 4 {
			got = append(got, <-order)
		}
		if want := []string{"permit 1", "permit 2", "poll 1", "poll 2"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

func TestSilenceAfterATurn(t *testing.T) {
	onBench(t, func(b *bench) {
		one, other := b.join(), b.join()
		done := b.turn(one, false)
		if _, err := one.Write(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		done() // nothing is to come back, as from a tripod
		b.turn(other, true)()
		if got, want := time.Since(start), 8*1042*time.Microsecond+4*time.Millisecond; got != want {
			t.Errorf("the next turn came %v after eight bytes were written, want %v", got, want)
		}
	})
}

func TestOneViewNeitherReadsNorWritesInAnothersTurn(t *testing.T) {
	onBench(t, func(b *bench) {
		one, other := b.join(), b.join()
		done := b.turn(one, false)
		if _, err := other.Write([]byte{1}); !errors.Is(err, bus.ErrNoTurn) {
			t.Errorf("Write: %v, want ErrNoTurn", err)
		}
		if _, err := other.Read(make([]byte, 1)); !errors.Is(err, bus.ErrNoTurn) {
			t.Errorf("Read: %v, want ErrNoTurn", err)
		}
		if err := other.SetReadDeadline(time.Unix(1, 0)); err != nil { // is for its own turn
			t.Fatal(err)
		}
		if _, err := b.device.Write([]byte{7}); err != nil {
			t.Fatal(err)
		}
		if n, err := one.Read(make([]byte, 9)); n != 1 || err != nil {
			t.Errorf("Read: %d, %v", n, err)
		}
		done()
		defer b.turn(other, false)()
		if _, err := other.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v, want its own deadline", err)
		}
	})
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	onBench(t, func(b *bench) {
		done := b.turn(b.join(), false)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := b.join().Turn(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Turn: %v", err)
		}
		done()
		b.turn(b.join(), false)() // nobody is left in the queue
	})
}

func TestALineThatDiesEndsEveryTurnAndIsClosedAtOnce(t *testing.T) {
	onBench(t, func(b *bench) {
		one, waits, idle := b.join(), b.join(), b.join()
		b.turn(one, false)
		failed := make(chan error, 1)
		go func() {
			_, err := waits.Turn(context.Background(), false)
			failed <- err
		}()
		synctest.Wait()
		_ = b.device.Close()
		if _, err := one.Read(make([]byte, 1)); !errors.Is(err, port.ErrGone) {
			t.Errorf("Read: %v, want ErrGone", err)
		}
		if err := <-failed; !errors.Is(err, port.ErrGone) {
			t.Errorf("a waiting Turn: %v, want ErrGone", err)
		}
		if _, err := idle.Turn(context.Background(), false); !errors.Is(err, port.ErrGone) {
			t.Errorf("a later Turn: %v, want ErrGone", err)
		}
		if _, ok := b.bus.Join(); ok {
			t.Error("a dead bus takes another view")
		}
	})
}

func TestClosingAViewLeavesTheLineToTheOthers(t *testing.T) {
	onBench(t, func(b *bench) {
		one, other := b.join(), b.join()
		b.turn(one, false)
		read := make(chan error, 1)
		go func() {
			_, err := one.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-read; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v, want ErrClosed", err)
		}
		b.turn(other, false)()
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.device.Read(make([]byte, 1)); !errors.Is(err, board.ErrUnplugged) {
			t.Errorf("the device sees %v, want the line closed with its last view", err)
		}
		if _, err := other.Turn(context.Background(), false); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Turn: %v, want ErrClosed", err)
		}
	})
}

// TestOverbooked: views that poll twice a second and take their time.
func TestOverbooked(t *testing.T) {
	onBench(t, func(b *bench) {
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		poll := func(ctx context.Context) {
			v := b.join()
			all.Go(func() {
				for ctx.Err() == nil {
					done, err := v.Turn(ctx, false)
					if err != nil {
						return
					}
					<-time.After(90 * time.Millisecond)
					done()
					<-time.After(410 * time.Millisecond)
				}
			})
			elapse(37 * time.Millisecond)
		}
		for range 4 {
			poll(ctx)
		}
		elapse(25 * time.Second)
		if len(b.notes) != 0 {
			t.Errorf("four polls of 90 ms twice a second: %q", b.notes)
		}
		more, stop := context.WithCancel(ctx)
		for range 8 {
			poll(more)
		}
		elapse(25 * time.Second)
		if len(b.notes) != 1 || !strings.Contains(b.notes[0], "overbooked") {
			t.Errorf("twelve of them: %q, want one note", b.notes)
		}
		stop()
		elapse(25 * time.Second)
		if len(b.notes) != 2 || b.notes[1] != "" {
			t.Errorf("four again: %q, want it taken back", b.notes)
		}
		cancel()
		all.Wait()
	})
}
