package scanner_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
)

// meaning is what a linescan vector's meaning holds.
type meaning struct {
	Reads []struct {
		Data    string `json:"data"`
		DataHex string `json:"data_hex"`
		AIM     string `json:"aim"`
		Fault   string `json:"fault"`
		Bytes   int    `json:"bytes"`
	} `json:"reads"`
	Terminator string `json:"terminator"`
}

func TestFramesAreThoseOfTheVectors(t *testing.T) {
	vs, err := vectors.Load("linescan")
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, v := range vs {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if m.Terminator == "" {
			continue
		}
		tried[m.Terminator] = true
		set := scanner.Settings{Terminator: m.Terminator, AIM: m.Reads[0].AIM}
		if got := set.Frame(m.Reads[0].Data); !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
		}
	}
	if len(tried) < 4 {
		t.Errorf("vectors name only the terminators %v", tried)
	}
}

// plugged runs a scanner on a line in this process.
func plugged(t *testing.T, set scanner.Settings) (*scanner.Scanner, *board.PipeEnd, *tape.Tape) {
	t.Helper()
	tp := tape.New(100)
	s, err := scanner.New(set, tp.Recorder("scanner-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scan(t.Context(), "X"); !errors.Is(err, board.ErrUnplugged) {
		t.Fatalf("Scan without a line: %v, want ErrUnplugged", err)
	}
	host, device := board.Pipe(errors.New("gone"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, board.NewLine(device, 0)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	if _, err := host.Write([]byte("trigger")); err != nil { // a scanner takes no notice
		t.Fatal(err)
	}
	for errors.Is(s.Scan(t.Context(), "T1:7F3A"), board.ErrUnplugged) { // until Serve has begun
		if t.Context().Err() != nil {
			t.Fatal("no line")
		}
	}
	return s, host, tp
}

func TestScanAndRaw(t *testing.T) {
	s, host, tp := plugged(t, scanner.Settings{Terminator: "CRLF", AIM: "]Q1"})
	if err := s.Raw(t.Context(), []byte{0xFF, 0x00}); err != nil {
		t.Fatal(err)
	}
	want := "]Q1T1:7F3A\r\n\xFF\x00"
	buf := make([]byte, 64)
	var got []byte
	for len(got) < len(want) {
		n, err := host.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	if st := s.State(); st.Scans != 1 || st.Bytes != uint64(len(want)) || st.Terminator != "CRLF" {
		t.Errorf("state %+v", st)
	}
	events := slices.DeleteFunc(tp.Since(t.Context(), "scanner-1", 0), func(e tape.Event) bool { return e.Kind == tape.Received })
	if len(events) != 2 || events[0].Kind != "sent" || events[0].Hex != hex.EncodeToString([]byte("]Q1T1:7F3A\r\n")) {
		t.Errorf("events %+v", events)
	}
	if !strings.HasPrefix(events[0].Text, "扫码器发送 12 字节") || strings.Contains(events[0].Text, "T1:7F3A") {
		t.Errorf("text %q: want the length, Chinese first, and no code", events[0].Text)
	}
}

func TestUnknownTerminator(t *testing.T) {
	if _, err := scanner.New(scanner.Settings{Terminator: "EOL"}, tape.Recorder{}); err == nil {
		t.Error("New: nil, want an error")
	}
}
