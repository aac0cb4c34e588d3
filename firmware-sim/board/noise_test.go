package board_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/firmware-sim/board"
)

// through sends 4000 bytes both ways over a line with faults, the device's in frames and the host's in pieces of so
// many bytes.
func through(t *testing.T, seed uint64, f board.Faults, frame, piece int) (up, down []byte) {
	t.Helper()
	host, device := board.Pipe(errGone)
	line := board.NewLine(device, 0)
	line.Seed(seed)
	line.SetFaults(f)
	all := make([]byte, 4000)
	for i := range all {
		all[i] = byte(i * 7)
	}
	buf := make([]byte, 8192)
	for rest := all; len(rest) > 0; rest = rest[min(frame, len(rest)):] {
		if _, err := line.Write(rest[:min(frame, len(rest))]); err != nil {
			t.Fatal(err)
		}
		_ = host.SetReadDeadline(time.Now())
		n, err := host.Read(buf)
		if n == 0 && !board.Quiet(err) {
			t.Fatal(err)
		}
		up = append(up, buf[:n]...)
		_ = host.SetReadDeadline(time.Time{})
	}
	_ = host.SetReadDeadline(time.Now().Add(time.Second))
	for n, err := host.Read(buf); err == nil; n, err = host.Read(buf) {
		up = append(up, buf[:n]...)
	}
	if _, err := host.Write(all); err != nil {
		t.Fatal(err)
	}
	_ = line.SetReadDeadline(time.Now().Add(time.Second))
	for n, err := line.Read(buf[:piece]); err == nil; n, err = line.Read(buf[:piece]) {
		down = append(down, buf[:n]...)
	}
	return up, down
}

func TestRandomFaultsAreRepeatable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := board.Faults{DropRate: 10, FlipRate: 20, DuplicateRate: 30}
		up, down := through(t, 7, f, 100, 64)
		upAgain, downAgain := through(t, 7, f, 33, 1000) // cut otherwise
		if !bytes.Equal(up, upAgain) || !bytes.Equal(down, downAgain) {
			t.Error("the same seed spoils other bytes")
		}
		other, _ := through(t, 8, f, 100, 64)
		if bytes.Equal(up, other) || bytes.Equal(up, down) {
			t.Error("another seed, or the other direction, spoils the same bytes")
		}
	})
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name      string
			f         board.Faults
			from, to  int // length of 4000 bytes
			identical bool
		}{
			{"none", board.Faults{}, 4000, 4000, true},
			{"all lost", board.Faults{DropRate: 1000}, 0, 0, false},
			{"some lost", board.Faults{DropRate: 100}, 3400, 3800, false},
			{"all twice", board.Faults{DuplicateRate: 1000}, 8000, 8000, false},
			{"all flipped", board.Faults{FlipRate: 1000}, 4000, 4000, false},
		} {
			up, down := through(t, 1, c.f, 100, 64)
			for _, got := range [][]byte{up, down} {
				same := len(got) == 4000
				for i := range got {
					same = same && got[i] == byte(i*7)
				}
				if len(got) < c.from || len(got) > c.to || same != c.identical {
					t.Errorf("%s: %d bytes arrive, untouched %v", c.name, len(got), same)
				}
			}
		}
	})
}

func TestFaultsThatCannotBe(t *testing.T) {
	for _, f := range []board.Faults{
		{DelayMs: -1}, {DelayMs: 60001}, {Lose: -1}, {DropRate: 1001}, {FlipRate: -1}, {DropRate: 500, FlipRate: 501},
	} {
		if f.Validate() == nil {
			t.Errorf("%+v: nil, want an error", f)
		}
	}
	if err := (board.Faults{Mute: true, Deaf: true, DropRate: 500, DuplicateRate: 500, Lose: 3}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestTwoWritersOnOneLine: while one waits for its bytes to be on the wire, the clock of the test goes on.
func TestTwoWritersOnOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := board.Pipe(errGone)
		line := board.NewLine(device, 9600)
		start := time.Now()
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := line.Write(make([]byte, 96))
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 200*time.Millisecond {
			t.Errorf("two frames of 96 bytes took %v, want 200 ms", took)
		}
		if n, err := host.Read(make([]byte, 500)); n != 192 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

// TestNoDeadlineStaysBehind: the bound of a frame is not that of who writes to the connection later.
func TestNoDeadlineStaysBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, device := board.Pipe(errGone)
		if _, err := board.NewLine(device, 0).Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if _, err := device.Write([]byte("y")); err != nil {
			t.Errorf("Write an hour later: %v", err)
		}
	})
}
