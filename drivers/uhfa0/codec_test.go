package uhfa0

import (
	"encoding/hex"
	"fmt"
	"testing"

	"yipiao/drivers/internal/dialogue/dialoguetest"
)

// meaning is what a uhfa0 vector's meaning holds.
type meaning struct {
	Command string `json:"command"`
	Address byte   `json:"address"`
	Antenna byte   `json:"antenna"`
	Sight   *struct {
		EPC     string `json:"epc"`
		Antenna int    `json:"antenna"`
		RSSI    int    `json:"rssi"`
	} `json:"sight"`
	End     bool   `json:"end"`
	Code    string `json:"code"`
	Version string `json:"version"`
	Wrong   string `json:"wrong"`
}

func (m meaning) Wire(t *testing.T) []byte {
	switch m.Command {
	case "firmware":
		return AppendFrame(nil, m.Address, cmdFirmware)
	case "set_antenna":
		return AppendFrame(nil, m.Address, cmdSetAntenna, m.Antenna-1)
	case "round":
		return AppendFrame(nil, m.Address, cmdInventory, 1)
	}
	t.Fatalf("command %q", m.Command)
	return nil
}

func (m meaning) Check(t *testing.T, f frame) {
	s, seen := f.sight()
	c, short := f.code()
	switch {
	case m.Sight != nil:
		if !seen || hex.EncodeToString(s.EPC) != m.Sight.EPC || s.Antenna != m.Sight.Antenna || s.RSSI != m.Sight.RSSI || f.ends() {
			t.Errorf("%+v, want %+v", s, *m.Sight)
		}
	case m.End:
		if !f.ends() || seen {
			t.Errorf("%+v does not end a round", f)
		}
	case m.Code != "":
		if !short || fmt.Sprintf("%02x", c) != m.Code || f.Command != cmdSetAntenna {
			t.Errorf("%+v, want code %s", f, m.Code)
		}
	case m.Version != "":
		if f.Command != cmdFirmware || fmt.Sprintf("%d.%d", f.Data[0], f.Data[1]) != m.Version {
			t.Errorf("%+v, want version %s", f, m.Version)
		}
	}
}

func usable(f frame) bool {
	_, seen := f.sight()
	return seen || f.ends()
}

var codec = dialoguetest.Codec[frame, meaning]{
	Protocol: "uhfa0", Cut: cut, Usable: usable, Longest: 2 + 255,
	Noise: []string{"\xff\x00", "\xa0", "\xa0\x04", "\xa0\x13\x01\x89", "\xa0\xa0\xa0"},
	Sane: func(f frame) string {
		if s, ok := f.sight(); ok && (len(s.EPC) < 2 || s.Antenna < 1 || s.Antenna > 8 || s.RSSI < floor || s.RSSI > 0) {
			return "cannot be"
		}
		return ""
	},
}

func TestVectors(t *testing.T) { codec.Test(t) }

func FuzzCut(f *testing.F) { codec.Fuzz(f) }
