package pn532

import (
	"encoding/hex"
	"testing"

	"yipiao/drivers/internal/dialogue/dialoguetest"
)

// meaning is what a pn532 vector's meaning holds.
type meaning struct {
	Command string `json:"command"`
	Ack     bool   `json:"ack"`
	Nack    bool   `json:"nack"`
	Error   bool   `json:"error"`
	Answer  string `json:"answer"`
	Version string `json:"version"`
	UID     string `json:"uid"`
	Wrong   string `json:"wrong"`
}

func (m meaning) Wire(t *testing.T) []byte {
	switch m.Command {
	case "firmware":
		return AppendCommand(nil, cmdFirmware)
	case "sam":
		return AppendCommand(nil, cmdSAM, normalMode...)
	case "retries":
		return AppendCommand(nil, cmdConfigure, retries...)
	case "list":
		return AppendCommand(nil, cmdList, oneTypeA...)
	case "wake":
		return wakeUp
	}
	t.Fatalf("command %q", m.Command)
	return nil
}

func (m meaning) Check(t *testing.T, f frame) {
	if m.Ack || m.Nack || m.Error {
		if !f.Control || f.Error != m.Error {
			t.Errorf("%+v", f)
		}
		return
	}
	want := map[string]byte{"firmware": cmdFirmware, "sam": cmdSAM, "list": cmdList}[m.Answer] + 1
	if f.Control || f.Code != want || m.Version != "" && f.version() != m.Version {
		t.Errorf("%+v, want the answer to %s", f, m.Answer)
	}
	if m.Answer == "list" {
		if uid, ok := f.card(); !ok || hex.EncodeToString(uid) != m.UID {
			t.Errorf("% x, %v, want %s", uid, ok, m.UID)
		}
	}
}

func usable(f frame) bool {
	uid, ok := f.card()
	return ok && uid != nil
}

var codec = dialoguetest.Codec[frame, meaning]{
	Protocol: "pn532", Cut: cut, Usable: usable, Longest: 255 + around,
	Noise: []string{"\xff\x01", "\x00", "\x00\x00\xff", "\x00\x00\xff\x0f\xf1\xd5", "\x00\x00\x00"},
	Sane: func(f frame) string {
		if uid, ok := f.card(); ok && uid != nil && len(uid) != 4 && len(uid) != 7 && len(uid) != 10 {
			return "no such UID"
		}
		_ = f.version()
		return ""
	},
}

func TestVectors(t *testing.T) { codec.Test(t) }

func FuzzCut(f *testing.F) { codec.Fuzz(f) }
