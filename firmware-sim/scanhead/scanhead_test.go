package scanhead_test

import (
	"testing"

	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/tape"
)

func head(t *testing.T, mode scanhead.Mode) *scanhead.Head {
	t.Helper()
	h, err := scanhead.New(mode, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPresentationReadsWhatIsShown(t *testing.T) {
	h := head(t, "")
	if !h.Show("A") || h.State().Waiting {
		t.Error("not read")
	}
	h.Enable(false)
	if h.Show("B") {
		t.Error("read although disabled")
	}
	if code, read := h.Enable(true); !read || code != "B" {
		t.Errorf("%q, %v; want the code that waited", code, read)
	}
	if s := h.State(); s.Reads != 2 || s.Mode != scanhead.Presentation {
		t.Errorf("%+v", s)
	}
}

func TestTriggerReadsOneCode(t *testing.T) {
	h := head(t, scanhead.Triggered)
	if h.Show("A") || !h.State().Waiting {
		t.Error("read without a trigger")
	}
	if code, read := h.Trigger(true); !read || code != "A" {
		t.Errorf("%q, %v", code, read)
	}
	if h.Show("B") {
		t.Error("one trigger read two codes")
	}
	h.Trigger(false)
	h.Show("C")
	if code, _ := h.Trigger(true); code != "C" {
		t.Errorf("%q, want the code shown last", code)
	}
}

func TestBeepsAreRemembered(t *testing.T) {
	tp := tape.New(10)
	h, err := scanhead.New("", tp.Recorder("s"))
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		h.Beep("短鸣 / short")
	}
	if n := len(h.State().Beeps); n != 20 {
		t.Errorf("%d beeps, want the newest 20", n)
	}
	if e := tp.Since(t.Context(), "s", 0)[0]; e.Kind != "beep" || e.Text != "蜂鸣：短鸣 / short" {
		t.Errorf("%+v", e)
	}
	if _, err := scanhead.New("x", tape.Recorder{}); err == nil {
		t.Error("New: nil, want an error")
	}
}
