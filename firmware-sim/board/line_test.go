package board_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/firmware-sim/board"
)

// arrived returns what has come to the station.
func arrived(t *testing.T, host *board.PipeEnd) string {
	t.Helper()
	_ = host.SetReadDeadline(time.Now().Add(time.Millisecond))
	buf := make([]byte, 256)
	n, err := host.Read(buf)
	if err != nil && !board.Quiet(err) {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestLineFaults(t *testing.T) {
	cases := []struct {
		name   string
		faults board.Faults
		want   []string // of three frames "ABC"
	}{
		{"none", board.Faults{}, []string{"ABC", "ABC", "ABC"}},
		{"mute", board.Faults{Mute: true}, []string{"", "", ""}},
		{"lose two", board.Faults{Lose: 2}, []string{"", "", "ABC"}},
		{"drop a byte", board.Faults{Drop: 1}, []string{"BC", "ABC", "ABC"}},
		{"flip a bit", board.Faults{Flip: 1}, []string{"ARC", "ABC", "ABC"}},
		{"duplicate", board.Faults{Duplicate: 2}, []string{"ABCABC", "ABCABC", "ABC"}},
		{"drop and duplicate", board.Faults{Drop: 1, Duplicate: 1}, []string{"BCBC", "ABC", "ABC"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host, device := board.Pipe(errGone)
				line := board.NewLine(device, 0)
				line.SetFaults(c.faults)
				for i, want := range c.want {
					if n, err := line.Write([]byte("ABC")); n != 3 || err != nil {
						t.Fatalf("Write: %d, %v", n, err)
					}
					if got := arrived(t, host); got != want {
						t.Errorf("frame %d arrived as %q, want %q", i, got, want)
					}
				}
			})
		})
	}
}

func TestDeafLineSwallowsWhatTheStationSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := board.Pipe(errGone)
		line := board.NewLine(device, 0)
		line.SetFaults(board.Faults{Deaf: true})
		time.AfterFunc(time.Second, func() { _, _ = host.Write([]byte("lost")) })
		time.AfterFunc(2*time.Second, func() {
			line.SetFaults(board.Faults{})
			_, _ = host.Write([]byte("heard"))
		})
		buf := make([]byte, 16)
		if n, err := line.Read(buf); string(buf[:n]) != "heard" || err != nil {
			t.Errorf("Read: %q, %v", buf[:n], err)
		}
	})
}

func TestLineIsPacedAtItsSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := board.Pipe(errGone)
		line := board.NewLine(device, 9600)
		start := time.Now()
		if _, err := line.Write(make([]byte, 96)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("96 bytes at 9600 baud took %v, want 100 ms", took)
		}
		_, _ = host.Write(make([]byte, 48))
		start = time.Now()
		if n, err := line.Read(make([]byte, 64)); n != 48 || err != nil {
			t.Fatalf("Read: %d, %v", n, err)
		}
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("48 bytes at 9600 baud came after %v, want 50 ms", took)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, device := board.Pipe(errGone)
		line := board.NewLine(device, 0)
		line.SetFaults(board.Faults{DelayMs: 70})
		start := time.Now()
		if _, err := line.Write([]byte("x")); err != nil || time.Since(start) != 70*time.Millisecond {
			t.Errorf("Write: %v after %v", err, time.Since(start))
		}
	})
}

func TestLineThatIsUnplugged(t *testing.T) {
	host, device := board.Pipe(errGone)
	line := board.NewLine(device, 0)
	_ = host.Close()
	if _, err := line.Write([]byte("x")); !errors.Is(err, board.ErrUnplugged) {
		t.Errorf("Write: %v, want ErrUnplugged", err)
	}
}
