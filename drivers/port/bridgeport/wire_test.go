package bridgeport

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"yipiao/drivers/port"
)

// TestFrames are the bytes of docs/protocols/bridge.md.
func TestFrames(t *testing.T) {
	for name, c := range map[string]struct{ got, want []byte }{
		"open":   {message(kindOpen, openRequest{"printer-1", "lp"}), append([]byte{1, 0, 32}, `{"name":"printer-1","line":"lp"}`...)},
		"ok":     {message(kindAnswer, trouble{Code: codeOK}), append([]byte{2, 0, 13}, `{"code":"ok"}`...)},
		"data":   {frame(kindData, []byte{0x1b, 0x40}), []byte{3, 0, 2, 0x1b, 0x40}},
		"write":  {frame(kindWrite, number(7), []byte{0x0a}), []byte{4, 0, 5, 0, 0, 0, 7, 0x0a}},
		"taken":  {frame(kindTaken, number(16384)), []byte{7, 0, 4, 0, 0, 0x40, 0}},
		"alive":  {frame(kindAlive), []byte{8, 0, 0}},
		"cut":    {message(kindEnd, trouble{codeFailed, string(bytes.Repeat([]byte{'x'}, 1000))})[:3], []byte{10, 1, 0xab}},
		"gone":   {message(kindEnd, troubleOf(port.ErrGone)), append([]byte{10, 0, 15}, `{"code":"gone"}`...)},
		"stop":   {frame(kindStop, number(7)), []byte{6, 0, 4, 0, 0, 0, 7}},
		"nobody": {message(kindAnswer, troubleOf(ErrUnknownPort)), append([]byte{2, 0, 23}, `{"code":"unknown_port"}`...)},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: % x, want % x", name, c.got, c.want)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frame(kindWrite, number(7), []byte{0x0a}))
	f.Add([]byte{3, 0xff, 0xff, 1})
	f.Add([]byte{3, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bytes.NewReader(raw)
		kind, payload, err := readFrame(r)
		switch {
		case err == nil:
			back := frame(kind, payload)
			if !bytes.Equal(back, raw[:len(back)]) {
				t.Errorf("% x became % x", raw, back)
			}
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errFrame):
			t.Errorf("%v", err)
		}
		_, _, _ = split(payload)
	})
}

// TestBadFramesEndAPort: whatever a bridge sends, the station's end neither panics nor goes on.
func TestBadFramesEndAPort(t *testing.T) {
	for _, c := range []struct {
		kind    byte
		payload string
	}{{kindOpen, "{}"}, {kindWritten, "abc"}, {kindWritten, "abcdefg"}, {kindEnd, "{"}, {99, ""}} {
		if err := new(Port).take(c.kind, []byte(c.payload)); !errors.Is(err, errFrame) {
			t.Errorf("kind %d %q: %v", c.kind, c.payload, err)
		}
	}
	p := &Port{more: make(chan struct{}, 1)}
	var err error
	for i := 0; err == nil; i++ {
		if err = p.deliver(make([]byte, chunk)); i > 2*window/chunk {
			t.Fatal("a bridge may send as much as it likes")
		}
	}
	s := &Session{jobs: make(chan job, maxJobs)}
	for err = nil; err == nil; {
		err = s.take(kindWrite, make([]byte, chunk))
	}
	if !errors.Is(err, errFrame) || len(s.jobs) != maxJobs {
		t.Errorf("%v after %d", err, len(s.jobs))
	}
	for _, c := range []string{"", "abc"} {
		if err := s.take(kindWrite, []byte(c)); !errors.Is(err, errFrame) {
			t.Errorf("%q: %v", c, err)
		}
	}
	if err := s.take(kindData, make([]byte, 4)); !errors.Is(err, errFrame) {
		t.Errorf("data from a station: %v", err)
	}
}
