package scannerline_test

import (
	"context"
	"encoding/hex"
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
	"yipiao/firmware-sim/scannerline"
	"yipiao/firmware-sim/tape"
)

// meaning is what the simulator takes from a vector's meaning.
type meaning struct {
	Parts   any    `json:"parts"`
	Spoilt  bool   `json:"spoilt"`
	Command string `json:"command"`
	Answer  *struct {
		Text   string `json:"text"`
		Status byte   `json:"status"`
	} `json:"answer"`
	AnswerHex string `json:"answer_hex"`
	Chain     string `json:"chain"`
}

// plugged runs a scanner in a bubble.
func plugged(t *testing.T, set scannerline.Settings, test func(t *testing.T, s *scannerline.Scanner, host *board.PipeEnd, tp *tape.Tape)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(100)
		s, err := scannerline.New(set, tp.Recorder("line-1"))
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
func exchange(t *testing.T, host *board.PipeEnd, wire []byte) string {
	t.Helper()
	if _, err := host.Write(wire); err != nil {
		t.Fatal(err)
	}
	_ = host.SetReadDeadline(time.Now().Add(600 * time.Millisecond))
	got, err := io.ReadAll(host)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return string(got)
}

// wanted is the answer that a vector asks for; ok is false where it does not say.
func wanted(t *testing.T, m meaning) (string, bool) {
	t.Helper()
	switch {
	case m.Answer != nil:
		return "\x02\x010000#" + m.Answer.Text + string(rune(m.Answer.Status)) + ";\x03", true
	case m.Chain+m.AnswerHex != "":
		raw, err := hex.DecodeString(strings.ReplaceAll(m.Chain+m.AnswerHex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw), true
	}
	return "", false
}

func TestAnswersAreThoseOfTheVectors(t *testing.T) {
	for _, dialect := range []string{scannerline.Newland, scannerline.Honeywell} {
		vs, err := vectors.Load(dialect)
		if err != nil {
			t.Fatal(err)
		}
		plugged(t, scannerline.Settings{Dialect: dialect, Mode: scanhead.Triggered}, func(t *testing.T, s *scannerline.Scanner, host *board.PipeEnd, _ *tape.Tape) {
			tried := uint64(0)
			for _, v := range vs {
				var m meaning
				if err := v.Mean(&m); err != nil {
					t.Fatal(err)
				}
				if v.Direction != vectors.HostToDevice {
					continue
				}
				tried++
				got := exchange(t, host, v.Wire)
				if want, ok := wanted(t, m); ok && got != want {
					t.Errorf("%s %s: %q, want %q", dialect, v.Name, got, want)
				}
			}
			st := s.State()
			if st.Commands != tried || st.Early != 0 || len(st.Head.Beeps) != 1 || st.Head.Trigger {
				t.Errorf("%s: %+v after %d commands", dialect, st, tried)
			}
		})
	}
}

func TestNewland(t *testing.T) {
	command := func(body string) []byte { return []byte("~\x010000" + body + ";\x03") }
	plugged(t, scannerline.Settings{Dialect: scannerline.Newland, AIM: "]Q1"}, func(t *testing.T, s *scannerline.Scanner, host *board.PipeEnd, tp *tape.Tape) {
		for body, want := range map[string]string{
			"@SCNMOD9":         "@SCNMOD9\x15",
			"#XXXYYY1":         "#XXXYYY1\x05",
			"#AB":              "#AB\x05",
			"#ORTSET&;RRDDUR*": "#ORTSET3000\x06;RRDDUR1000\x06",
			"#SCNMOD^":         "#SCNMOD0-3\x06",
		} {
			if got := exchange(t, host, command(body)); got != "\x02\x010000"+want+";\x03" {
				t.Errorf("%s: %q, want %q", body, got, want)
			}
		}
		if got := exchange(t, host, command("#QRYSYS")); !strings.Contains(got, "Firmware Version: 1.02.003\r\n") {
			t.Errorf("QRYSYS: %q", got)
		}
		both := append(command("#SCNTRG1"), command("#SCNTRG0")...)
		if got := exchange(t, host, both); strings.Count(got, "\x06") != 1 || s.State().Early != 1 {
			t.Errorf("two commands at once: %q, %+v; want the second dropped", got, s.State())
		}
		if got := exchange(t, host, command("SCNTRG1")); got != "" {
			t.Errorf("no storage type: %q", got)
		}
		if err := s.Scan(t.Context(), "T1:7F3A"); err != nil {
			t.Fatal(err)
		}
		if got := exchange(t, host, []byte("noise")); got != "]Q1T1:7F3A\r" {
			t.Errorf("a code: %q", got)
		}
		if st := s.State(); st.Scans != 1 || st.Dialect != "newland" {
			t.Errorf("%+v", st)
		}
		text := ""
		for _, e := range tp.Since(t.Context(), "", 0) {
			text += e.Text + "\n"
		}
		if !strings.Contains(text, "收到 命令 / command #SCNTRG1") || !strings.Contains(text, "太快") || strings.Contains(text, "T1:7F3A") {
			t.Errorf("the tape: %s", text)
		}
	})
}

func TestHoneywell(t *testing.T) {
	plugged(t, scannerline.Settings{Dialect: scannerline.Honeywell, Mode: scanhead.Triggered, Terminator: "CRLF"}, func(t *testing.T, s *scannerline.Scanner, host *board.PipeEnd, _ *tape.Tape) {
		_ = s.Scan(t.Context(), "T1:7F3A")
		if got := exchange(t, host, []byte("\x16T\r")); got != "T1:7F3A\r\n" {
			t.Errorf("trigger: %q", got)
		}
		for wire, want := range map[string]string{
			"\x16M\rREVINF.":   "Product Name: SIM4820\r\nSoftware Revision: 31205480-041\r\nSerial Number: SIM0000001\r\nREVINF\x06.",
			"\x16M\rXXXYYY?!":  "XXXYYY\x05!",
			"\x16M\rCBRENA^.":  "CBRENA1\x06.",
			"\x16\x16M\rAB.":   "AB\x05.",
			"\x16Z\rx":         "",
			"\x16M\rCBRENA":    "", // no full stop comes
			"\x16M\rTRGMOD3.U": "TRGMOD3\x06.",
		} {
			if got := exchange(t, host, []byte(wire)); got != want {
				t.Errorf("%q: %q, want %q", wire, got, want)
			}
		}
		if v := s.State().Values["TRGMOD"]; v != "3" {
			t.Errorf("TRGMOD is %q", v)
		}
		_ = s.Raw(t.Context(), []byte{0xFF})
		if got := exchange(t, host, nil); got != "\xFF" {
			t.Errorf("raw: %q", got)
		}
	})
}

func TestUnpluggedAndBadSettings(t *testing.T) {
	s, err := scannerline.New(scannerline.Settings{Dialect: scannerline.Newland}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scan(t.Context(), "X"); !errors.Is(err, board.ErrUnplugged) {
		t.Errorf("Scan: %v, want ErrUnplugged", err)
	}
	for _, set := range []scannerline.Settings{
		{}, {Dialect: "morse"}, {Dialect: scannerline.Newland, Terminator: "EOL"}, {Dialect: scannerline.Newland, Mode: "sometimes"},
	} {
		if _, err := scannerline.New(set, tape.Recorder{}); err == nil {
			t.Errorf("%+v: nil, want an error", set)
		}
	}
}
