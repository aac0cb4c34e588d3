package scannerssi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scannerssi"
	"yipiao/firmware-sim/tape"
)

// meaning is what the simulator takes from a vector's meaning.
type meaning struct {
	Packets any    `json:"packets"`
	Codes   any    `json:"codes"`
	Skipped int    `json:"skipped"`
	Command string `json:"command"`
	Send    *struct {
		Type byte   `json:"type"`
		Code string `json:"code"`
	} `json:"send"`
}

func load(t *testing.T, take func(vectors.Vector, meaning)) {
	t.Helper()
	vs, err := vectors.Load("ssi")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		take(v, m)
	}
}

func TestPacketsAreThoseOfTheVectors(t *testing.T) {
	tried := 0
	load(t, func(v vectors.Vector, m meaning) {
		switch {
		case v.Name == "ACK":
			if got := scannerssi.Packet(0xD0, 0, nil); !bytes.Equal(got, v.Wire) {
				t.Errorf("ACK: % x", got)
			}
		case m.Send != nil:
			tried++
			if got := bytes.Join(scannerssi.Packets(m.Send.Type, m.Send.Code), nil); !bytes.Equal(got, v.Wire) {
				t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
			}
		}
	})
	if tried < 3 {
		t.Errorf("only %d vectors are to be sent", tried)
	}
}

// plugged runs a scanner in a bubble.
func plugged(t *testing.T, set scannerssi.Settings, test func(t *testing.T, s *scannerssi.Scanner, host *board.PipeEnd, tp *tape.Tape)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(100)
		s, err := scannerssi.New(set, tp.Recorder("ssi-1"))
		if err != nil {
			t.Fatal(err)
		}
		host, device := board.Pipe(errors.New("gone"))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, board.NewLine(device, 0)) }()
		synctest.Wait()
		test(t, s, host, tp)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// exchange sends bytes of the host and returns what comes back within a moment.
func exchange(t *testing.T, host *board.PipeEnd, wire []byte) []byte {
	t.Helper()
	if _, err := host.Write(wire); err != nil {
		t.Fatal(err)
	}
	_ = host.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	got, err := io.ReadAll(host)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return got
}

func TestCommandsOfTheVectors(t *testing.T) {
	ack := scannerssi.Packet(0xD0, 0, nil)
	plugged(t, scannerssi.Settings{Mode: scanhead.Triggered}, func(t *testing.T, s *scannerssi.Scanner, host *board.PipeEnd, _ *tape.Tape) {
		load(t, func(v vectors.Vector, m meaning) {
			if v.Direction != vectors.HostToDevice {
				return
			}
			got := exchange(t, host, v.Wire)
			switch m.Command {
			case "ack", "nak resend":
				if len(got) != 0 {
					t.Errorf("%s: answered % x", v.Name, got)
				}
			case "revision":
				if len(got) < 7 || got[1] != 0xA4 {
					t.Errorf("%s: % x, want the revision", v.Name, got)
				}
			default:
				if !bytes.Equal(got, ack) {
					t.Errorf("%s: % x, want ACK", v.Name, got)
				}
			}
		})
		st := s.State()
		if st.Head.Trigger || st.Head.Enabled || strings.Join(st.Head.Beeps, ",") != "两声短高 / 2 short high,一声短高 / 1 short high" {
			t.Errorf("%+v", st)
		}
	})
}

func TestRefusals(t *testing.T) {
	beep := []byte{5, 0xE6, 4, 0, 1, 0xFF, 0x10}
	plugged(t, scannerssi.Settings{}, func(t *testing.T, s *scannerssi.Scanner, host *board.PipeEnd, _ *tape.Tape) {
		for name, c := range map[string]struct{ wire, want []byte }{
			"checksum":       {[]byte{5, 0xE6, 4, 0, 1, 0xFF, 0x11}, scannerssi.Packet(0xD1, 0, []byte{1})},
			"beep code 99":   {[]byte{5, 0xE6, 4, 0, 99, 0xFE, 0xAE}, scannerssi.Packet(0xD1, 0, []byte{6})},
			"unknown opcode": {[]byte{4, 0x55, 4, 0, 0xFF, 0xA3}, scannerssi.Packet(0xD1, 0, []byte{2})},
			"half a packet":  {beep[:4], nil},
			"wake-up":        {append([]byte{0}, beep...), scannerssi.Packet(0xD0, 0, nil)},
		} {
			if got := exchange(t, host, c.wire); !bytes.Equal(got, c.want) {
				t.Errorf("%s: % x, want % x", name, got, c.want)
			}
		}
		s.Refuse(1, 1)
		if got := exchange(t, host, beep); !bytes.Equal(got, scannerssi.Packet(0xD1, 0, []byte{1})) {
			t.Errorf("told to refuse: % x", got)
		}
	})
}

func TestCodeIsRepeatedTwiceAndThenGivenUp(t *testing.T) {
	plugged(t, scannerssi.Settings{ResponseMs: 1000}, func(t *testing.T, s *scannerssi.Scanner, host *board.PipeEnd, tp *tape.Tape) {
		start := time.Now()
		if err := s.Scan(t.Context(), "T1:7F3A"); !errors.Is(err, scannerssi.ErrGivenUp) || time.Since(start) != 3*time.Second {
			t.Errorf("Scan: %v after %v, want it given up after 3 s", err, time.Since(start))
		}
		first := scannerssi.Packets(0x1C, "T1:7F3A")[0]
		got := exchange(t, host, nil)
		if len(got) != 3*len(first) || !bytes.HasPrefix(got, first) || got[len(first)+3] != 1 || got[2*len(first)+3] != 1 {
			t.Errorf("% x, want the packet and twice the repetition", got)
		}
		if st := s.State(); st.Line.Repeated != 2 || st.Line.Failed != 1 || len(st.Head.Beeps) != 1 {
			t.Errorf("%+v", st)
		}
		events := tp.Since(t.Context(), "", 0)
		if e := events[len(events)-1]; e.Kind != "beep" || !strings.Contains(e.Text, "传输错误") {
			t.Errorf("%+v, want the error beep on the tape", e)
		}
	})
}

func TestUnpluggedAndBadSettings(t *testing.T) {
	s, err := scannerssi.New(scannerssi.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scan(t.Context(), "X"); !errors.Is(err, board.ErrUnplugged) {
		t.Errorf("Scan: %v, want ErrUnplugged", err)
	}
	for _, set := range []scannerssi.Settings{{ResponseMs: 10000}, {Mode: "sometimes"}} {
		if _, err := scannerssi.New(set, tape.Recorder{}); err == nil {
			t.Errorf("%+v: nil, want an error", set)
		}
	}
}
