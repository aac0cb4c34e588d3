package scannerhid_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scannerhid"
	"yipiao/firmware-sim/tape"
)

// meaning is what the simulator takes from a vector's meaning.
type meaning struct {
	Messages any `json:"messages"`
	Wrong    int `json:"wrong"`
	Send     *struct {
		AIM    string `json:"aim"`
		Code   string `json:"code"`
		Vendor byte   `json:"vendor"`
	} `json:"send"`
	Command string `json:"command"`
	Answer  any    `json:"answer"`
}

func load(t *testing.T, take func(vectors.Vector, meaning)) {
	t.Helper()
	vs, err := vectors.Load("hidpos")
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

func TestReportsAreThoseOfTheVectors(t *testing.T) {
	tried := 0
	load(t, func(v vectors.Vector, m meaning) {
		if m.Send == nil {
			return
		}
		tried++
		got := bytes.Join(scannerhid.Reports(m.Send.AIM, m.Send.Code, m.Send.Vendor), nil)
		if !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
		}
	})
	if tried < 3 {
		t.Errorf("only %d vectors are to be sent", tried)
	}
}

var errGone = errors.New("gone")

// plugged runs a scanner in a bubble.
func plugged(t *testing.T, set scannerhid.Settings, test func(t *testing.T, s *scannerhid.Scanner, host *scannerhid.ReportEnd, tp *tape.Tape)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(100)
		s, err := scannerhid.New(set, tp.Recorder("hid-1"))
		if err != nil {
			t.Fatal(err)
		}
		host, device := scannerhid.Pipe(errGone)
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

// heard returns the reports which have come to the station.
func heard(t *testing.T, host *scannerhid.ReportEnd) (all [][]byte) {
	t.Helper()
	synctest.Wait()
	_ = host.SetReadDeadline(time.Now().Add(time.Second))
	for {
		buf := make([]byte, 100)
		n, err := host.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, buf[:n])
	}
}

func TestOutputReportsAreThoseOfTheVectors(t *testing.T) {
	plugged(t, scannerhid.Settings{Honeywell: true, Mode: scanhead.Triggered}, func(t *testing.T, s *scannerhid.Scanner, host *scannerhid.ReportEnd, tp *tape.Tape) {
		send := func(command string) {
			load(t, func(v vectors.Vector, m meaning) {
				if m.Command == command {
					if _, err := host.Write(v.Wire); err != nil {
						t.Fatal(err)
					}
				}
			})
			synctest.Wait()
		}
		send("beep")
		if n := len(s.State().Head.Beeps); n != 1 {
			t.Errorf("%d beeps", n)
		}
		if err := s.Scan(t.Context(), "T1:7F3A"); err != nil || !s.State().Head.Waiting {
			t.Errorf("Scan: %v, %+v; want the code to wait", err, s.State())
		}
		send("trigger on")
		if got := heard(t, host); len(got) != 1 || got[0][0] != 2 || len(got[0]) != 64 {
			t.Errorf("% x, want one report", got)
		}
		send("trigger on")
		send("trigger off")
		if s.State().Head.Trigger {
			t.Error("the trigger is still on")
		}
		send("revision")
		got := heard(t, host)
		if len(got) < 3 || string(got[len(got)-1][2:5]) != "]Z6" || !bytes.HasPrefix(got[len(got)-1][5:], []byte("REVINF\x06.")) {
			t.Errorf("% x, want the revision and its verdict", got)
		}
		_, _ = host.Write([]byte("\xFD\x0A\x16M\rXXXXXX?."))
		if got := heard(t, host); len(got) != 1 || !bytes.HasPrefix(got[0][5:], []byte("XXXXXX?\x05.")) {
			t.Errorf("% x, want ENQ", got)
		}
		if s.State().Heard != 6 {
			t.Errorf("%+v", s.State())
		}
		text := ""
		for _, e := range tp.Since(t.Context(), "", 0) {
			text += e.Kind + " " + e.Text + "\n"
		}
		for _, want := range []string{"beep 蜂鸣", "received 收到输出报告", "trigger 触发开", "sent 扫码器发送 64 字节"} {
			if !strings.Contains(text, want) {
				t.Errorf("the tape lacks %q:\n%s", want, text)
			}
		}
	})
}

func TestKnobs(t *testing.T) {
	plugged(t, scannerhid.Settings{}, func(t *testing.T, s *scannerhid.Scanner, host *scannerhid.ReportEnd, _ *tape.Tape) {
		code := strings.Repeat("x", 200)
		s.BreakOff(2)
		_ = s.Scan(t.Context(), code)
		if got := heard(t, host); len(got) != 2 {
			t.Errorf("%d reports, want 2", len(got))
		}
		s.SetGap(time.Second)
		start := time.Now()
		_ = s.Scan(t.Context(), code)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("four reports took %v, want 3 s", took)
		}
		_ = s.Raw(t.Context(), make([]byte, 100))
		if got := heard(t, host); len(got) != 6 || len(got[5]) != 36 {
			t.Errorf("%d reports, want 4 and then 64 and 36 bytes", len(got))
		}
		_, _ = host.Write([]byte{0xFD, 3, 0x16, 7, 0x0D}) // not a Honeywell
		synctest.Wait()
		if len(s.State().Head.Beeps) != 0 {
			t.Error("a scanner of another maker beeped")
		}
	})
}

func TestUnpluggedAndBadSettings(t *testing.T) {
	s, err := scannerhid.New(scannerhid.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scan(t.Context(), "X"); !errors.Is(err, board.ErrUnplugged) {
		t.Errorf("Scan: %v, want ErrUnplugged", err)
	}
	for _, set := range []scannerhid.Settings{{AIM: "Q1"}, {Mode: "sometimes"}} {
		if _, err := scannerhid.New(set, tape.Recorder{}); err == nil {
			t.Errorf("%+v: nil, want an error", set)
		}
	}
}
