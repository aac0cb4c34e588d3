// Package scanhead is what all simulated scanners have in common, whatever they speak: a code held before
// the window, a trigger, and a beeper.
//
// It knows what a person sees and hears. It must not know protocols.
package scanhead

import (
	"fmt"
	"sync"

	"yipiao/firmware-sim/tape"
)

// A Mode is what makes a scanner read.
type Mode string

// Modes.
const (
	Presentation Mode = "presentation" // reads what is shown
	Triggered    Mode = "trigger"      // reads while the trigger is on, one code each time
)

// keepBeeps is how many sounds State tells.
const keepBeeps = 20

// A Head is the reading part of one scanner. It is safe for concurrent use.
type Head struct {
	rec tape.Recorder

	mu      sync.Mutex // guards the fields below
	mode    Mode
	enabled bool
	on      bool   // the trigger
	shown   string // a code before the window that has not been read
	reads   uint64
	beeps   []string
}

// New makes a head. An empty mode is Presentation.
func New(mode Mode, rec tape.Recorder) (*Head, error) {
	if mode == "" {
		mode = Presentation
	}
	if mode != Presentation && mode != Triggered {
		return nil, fmt.Errorf("mode %q is neither %s nor %s", mode, Presentation, Triggered)
	}
	return &Head{rec: rec, mode: mode, enabled: true}, nil
}

// Show holds a code before the window. read is true where the scanner reads it now; otherwise it stays there
// until the scanner does, or another is shown.
func (h *Head) Show(code string) (read bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown = code
	_, read = h.look()
	return read
}

// Trigger switches the trigger, and returns the code that it makes the scanner read, if any.
func (h *Head) Trigger(on bool) (code string, read bool) {
	h.mu.Lock()
	h.on = on
	code, read = h.look()
	h.mu.Unlock()
	h.rec.Add("trigger", fmt.Sprintf("触发%s / trigger %s", pick(on, "开", "关"), pick(on, "on", "off")), nil)
	return code, read
}

// Enable lets the scanner read at all, and returns the code that it then reads, if any.
func (h *Head) Enable(on bool) (code string, read bool) {
	h.mu.Lock()
	h.enabled = on
	code, read = h.look()
	h.mu.Unlock()
	h.rec.Add("enable", fmt.Sprintf("扫码%s / reading %s", pick(on, "启用", "停用"), pick(on, "enabled", "disabled")), nil)
	return code, read
}

// look reads the code before the window, if the scanner is to. One read ends the trigger.
func (h *Head) look() (code string, read bool) {
	if h.shown == "" || !h.enabled || h.mode == Triggered && !h.on {
		return "", false
	}
	code, h.shown, h.on = h.shown, "", false
	h.reads++
	return code, true
}

// Beep sounds the beeper; how names the sound for people, Chinese first.
func (h *Head) Beep(how string) {
	h.mu.Lock()
	h.beeps = append(h.beeps[max(0, len(h.beeps)-keepBeeps+1):], how)
	h.mu.Unlock()
	h.rec.Add("beep", "蜂鸣："+how, nil)
}

// State is what a person sees and hears.
type State struct {
	Mode    Mode     `json:"mode"`
	Enabled bool     `json:"enabled"`
	Trigger bool     `json:"trigger"`
	Waiting bool     `json:"waiting"` // a code is before the window and has not been read
	Reads   uint64   `json:"reads"`
	Beeps   []string `json:"beeps,omitempty"` // the newest last
}

// State reports how the head is.
func (h *Head) State() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return State{
		Mode: h.mode, Enabled: h.enabled, Trigger: h.on, Waiting: h.shown != "", Reads: h.reads,
		Beeps: append([]string(nil), h.beeps...),
	}
}

func pick(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}
