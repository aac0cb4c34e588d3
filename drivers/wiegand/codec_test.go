package wiegand

import (
	"encoding/hex"
	"testing"

	"yipiao/drivers/internal/dialogue/dialoguetest"
)

// meaning is what a wiegand vector's meaning holds.
type meaning struct {
	Bits  int    `json:"bits"` // where a bridge sends exactly this line for the number
	ID    string `json:"id"`
	Life  string `json:"life"`
	Wrong string `json:"wrong"`
}

func (m meaning) Wire(t *testing.T) []byte {
	t.Fatal("a host says nothing")
	return nil
}

func (m meaning) Check(t *testing.T, f frame) {
	if hex.EncodeToString(f.ID) != m.ID || f.Life != m.Life {
		t.Errorf("%+v, want %+v", f, m)
	}
}

func usable(frame) bool { return true }

var codec = dialoguetest.Codec[frame, meaning]{
	Protocol: "wiegand", Cut: cut, Usable: usable, Longest: longest,
	Noise: []string{"\xff\x01\n", "W26 2020\n", "\r\n", "W34\n"},
	Sane: func(f frame) string {
		if (f.ID == nil) == (f.Life == "") || f.ID != nil && len(f.ID) != 3 && len(f.ID) != 4 {
			return "cannot be"
		}
		return ""
	},
}

func TestVectors(t *testing.T) { codec.Test(t) }

func FuzzCut(f *testing.F) { codec.Fuzz(f) }
