package scannerwedge_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scannerwedge"
	"yipiao/firmware-sim/tape"
)

func TestKeysAreThoseOfTheVectors(t *testing.T) {
	vs, err := vectors.Load("wedge")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, v := range vs {
		var m struct {
			Reads  any    `json:"reads"`
			Spoilt int    `json:"spoilt"`
			Typed  string `json:"typed"`
		}
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if m.Typed == "" {
			continue
		}
		tried++
		keys, err := scannerwedge.Keys(m.Typed, time.Time{})
		if got := bytes.Join(keys, nil); err != nil || !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: %v, % x\nwant % x", v.Name, err, got, v.Wire)
		}
	}
	if tried < 3 {
		t.Errorf("only %d vectors are to be typed", tried)
	}
}

func TestKeyboardHasNoKeyForIt(t *testing.T) {
	if _, err := scannerwedge.Keys("票", time.Time{}); err == nil {
		t.Error("Keys: nil, want an error")
	}
	keys, err := scannerwedge.Keys("\x1d", time.Unix(1, 2000))
	if err != nil || len(keys) != 1 || len(keys[0]) != 8*24 || keys[0][0] != 1 || keys[0][8] != 2 || keys[0][18] != 29 {
		t.Errorf("% x, %v; want Ctrl and ] at 1 s and 2 µs", keys, err)
	}
}

func TestScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(10)
		s, err := scannerwedge.New(scannerwedge.Settings{KeyMs: 10, AIM: "]Q1"}, tp.Recorder("wedge-1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Scan(t.Context(), "X"); !errors.Is(err, board.ErrUnplugged) {
			t.Errorf("Scan without a line: %v, want ErrUnplugged", err)
		}
		host, device := board.Pipe(errors.New("gone"))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, board.NewLine(device, 0)) }()
		synctest.Wait()
		_, _ = host.Write([]byte("lamps"))
		start := time.Now()
		if err := s.Scan(t.Context(), "ab"); err != nil || time.Since(start) != 50*time.Millisecond {
			t.Errorf("Scan: %v after %v, want 50 ms for six keys", err, time.Since(start))
		}
		s.BreakOff(1)
		_ = s.Scan(t.Context(), "ab")
		_ = s.Raw(t.Context(), []byte{1})
		buf := make([]byte, 10000)
		n, err := host.Read(buf)
		if want := 6*96 + 96 + 96 + 1; err != nil || n != want { // one key more with shift, and the broken-off one
			t.Errorf("%d bytes, %v; want %d", n, err, want)
		}
		if st := s.State(); st.Scans != 1 || st.Keys != 6 {
			t.Errorf("%+v", st)
		}
		for _, e := range tp.Since(t.Context(), "", 0) {
			if e.Kind == "typed" && (!strings.HasPrefix(e.Text, "扫码器键入 6 个字符") || len(e.Hex) != 2*7*96) {
				t.Errorf("%+v", e)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestBadSettings(t *testing.T) {
	for _, set := range []scannerwedge.Settings{{Terminator: "CR"}, {KeyMs: -1}} {
		if _, err := scannerwedge.New(set, tape.Recorder{}); err == nil {
			t.Errorf("%+v: nil, want an error", set)
		}
	}
}
