package uhfbb

import (
	"encoding/hex"
	"testing"

	"yipiao/drivers/internal/dialogue/dialoguetest"
)

// meaning is what a uhfbb vector's meaning holds.
type meaning struct {
	Command string `json:"command"`
	Rounds  int    `json:"rounds"`
	Sight   *struct {
		EPC  string `json:"epc"`
		RSSI int    `json:"rssi"`
	} `json:"sight"`
	Nothing bool   `json:"nothing"`
	Answer  string `json:"answer"`
	Version string `json:"version"`
	Wrong   string `json:"wrong"`
}

func (m meaning) Wire(t *testing.T) []byte {
	switch m.Command {
	case "single":
		return AppendCommand(nil, cmdSingle)
	case "many":
		return AppendCommand(nil, cmdMany, rounds...)
	case "stop":
		return AppendCommand(nil, cmdStop)
	case "info":
		return AppendCommand(nil, cmdInfo, 0)
	}
	t.Fatalf("command %q", m.Command)
	return nil
}

func (m meaning) Check(t *testing.T, f frame) {
	s, seen := f.sight()
	switch {
	case m.Sight != nil:
		if !seen || hex.EncodeToString(s.EPC) != m.Sight.EPC || s.RSSI != m.Sight.RSSI {
			t.Errorf("%+v, want %+v", s, *m.Sight)
		}
	case m.Nothing != f.nothing() || seen:
		t.Errorf("%+v: nothing %v", f, f.nothing())
	case m.Answer != "":
		want := map[string]byte{"stop": cmdStop, "info": cmdInfo}[m.Answer]
		if f.Type != typeAnswer || f.Command != want || m.Version != "" && printable(f.Param[1:]) != m.Version {
			t.Errorf("%+v, want the answer to %s", f, m.Answer)
		}
	}
}

func usable(f frame) bool {
	_, seen := f.sight()
	return seen || f.nothing()
}

var codec = dialoguetest.Codec[frame, meaning]{
	Protocol: "uhfbb", Cut: cut, Usable: usable, Longest: longest + around,
	Noise: []string{"\xff\x7e", "\xbb", "\xbb\x02\x22\x00", "\xbb\x02\x22\x00\x11\xce", "\xbb\xbb"},
	Sane: func(f frame) string {
		if s, ok := f.sight(); ok && (len(s.EPC) < 2 || s.RSSI < -128 || s.RSSI > 127) {
			return "cannot be"
		}
		return ""
	},
}

func TestVectors(t *testing.T) { codec.Test(t) }

func FuzzCut(f *testing.F) { codec.Fuzz(f) }
