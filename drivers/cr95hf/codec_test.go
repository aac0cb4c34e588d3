package cr95hf

import (
	"encoding/hex"
	"testing"

	"yipiao/drivers/internal/dialogue/dialoguetest"
)

// meaning is what a cr95hf vector's meaning holds.
type meaning struct {
	Command string `json:"command"`
	Answer  string `json:"answer"`
	Version string `json:"version"`
	UID     string `json:"uid"`
	Error   string `json:"error"`
	Wrong   string `json:"wrong"`
}

func (m meaning) Wire(t *testing.T) []byte {
	w, ok := map[string][]byte{"echo": cmdEcho, "idn": cmdIDN, "select": cmdSelect, "inventory": cmdInventory}[m.Command]
	if !ok {
		t.Fatalf("command %q", m.Command)
	}
	return w
}

func (m meaning) Check(t *testing.T, f frame) {
	switch m.Answer {
	case "echo":
		if f.Result != resEcho {
			t.Errorf("%+v", f)
		}
	case "idn":
		if f.Result != resGood || len(f.Data) != idnSize || f.name() != m.Version {
			t.Errorf("%+v is called %q", f, f.name())
		}
	case "inventory":
		uid, err := f.uid()
		if hex.EncodeToString(uid) != m.UID || (err == nil) != (m.UID != "") {
			t.Errorf("% x, %v, want %q", uid, err, m.UID)
		}
		if m.UID == "" && (f.Result == resNoReply) != (m.Error == "") {
			t.Errorf("result %02x", f.Result)
		}
	}
}

func usable(f frame) bool {
	_, err := f.uid()
	return err == nil
}

var codec = dialoguetest.Codec[frame, meaning]{
	Protocol: "cr95hf", Cut: cut, Usable: usable, Longest: 2 + longest,
	Noise: []string{"\xff\x01", "\x20\x30\x40", "\x7e"},
	Sane: func(f frame) string {
		if uid, err := f.uid(); err == nil && (len(uid) != 8 || uid[0] != 0xE0) {
			return "no such UID"
		}
		_ = f.name()
		return ""
	},
}

func TestVectors(t *testing.T) { codec.Test(t) }

func FuzzCut(f *testing.F) { codec.Fuzz(f) }
