package mrzreader_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/mrzreader"
	"yipiao/firmware-sim/tape"
)

// TestFramesAreThoseOfTheVectors: whatever the lines say, a reader sends them as the vectors have it.
func TestFramesAreThoseOfTheVectors(t *testing.T) {
	vs, err := vectors.Load("mrz")
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]int{}
	for _, v := range vs {
		var m struct {
			Framing string   `json:"framing"`
			Lines   []string `json:"lines"`
		}
		if err := json.Unmarshal(v.Meaning, &m); err != nil {
			t.Fatal(err)
		}
		if m.Lines == nil {
			continue
		}
		tried[m.Framing]++
		r, err := mrzreader.New(mrzreader.Settings{Framing: m.Framing}, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Frame(m.Lines); !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
		}
	}
	if len(tried) != 4 {
		t.Errorf("vectors of the framings %v, want all four", tried)
	}
}

func TestBreaks(t *testing.T) {
	for end, want := range map[string]string{"CRLF": "A\r\nB\r\n", "CR": "A\rB\r", "none": "AB"} {
		r, err := mrzreader.New(mrzreader.Settings{Break: end}, tape.Recorder{})
		if err != nil || string(r.Frame([]string{"A", "B"})) != want {
			t.Errorf("%s: %v", end, err)
		}
	}
	for _, s := range []mrzreader.Settings{{Framing: "wedge"}, {Break: "LF"}} {
		if _, err := mrzreader.New(s, tape.Recorder{}); err == nil {
			t.Errorf("%+v: nil, want an error", s)
		}
	}
}

func TestElyctisReadsOnceForEachCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(50)
		r, _ := mrzreader.New(mrzreader.Settings{Framing: "elyctis"}, tp.Recorder("mrz-1"))
		host, device := board.Pipe(errors.New("gone"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Serve(ctx, board.NewLine(device, 0)) }()
		synctest.Wait()
		lines, err := mrzreader.Specimen("td1")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Lay(ctx, lines); !errors.Is(err, mrzreader.ErrAsleep) {
			t.Errorf("Lay before the command: %v", err)
		}
		on := []byte{0x43, 0, 1, 1}
		_, _ = host.Write(append([]byte{0xFF}, on...))
		buf := make([]byte, 256)
		if n, err := host.Read(buf); err != nil || !bytes.Equal(buf[:n], on) {
			t.Fatalf("% x, %v, want the command again", buf[:n], err)
		}
		if err := r.Lay(ctx, lines); err != nil {
			t.Fatal(err)
		}
		if n, _ := host.Read(buf); !bytes.Equal(buf[:n], r.Frame(lines)) {
			t.Errorf("% x", buf[:n])
		}
		if err := r.Lay(ctx, lines); !errors.Is(err, mrzreader.ErrAsleep) {
			t.Errorf("Lay after a read: %v", err)
		}
		if s := r.State(); s.Reads != 1 || s.Armed {
			t.Errorf("state %+v", s)
		}
		if e := tp.Since(ctx, "mrz-1", 0); len(e) < 5 || !strings.Contains(e[1].Text, "连续读取") {
			t.Errorf("tape %+v", e)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestEverySpecimenIsListed(t *testing.T) {
	for _, name := range mrzreader.Specimens() {
		if lines, err := mrzreader.Specimen(name); err != nil || len(lines) < 2 {
			t.Errorf("%s: %v, %v", name, lines, err)
		}
	}
	if _, err := mrzreader.Specimen("nobody"); err == nil {
		t.Error("nil, want an error")
	}
}
