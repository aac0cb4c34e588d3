package tape_test

import (
	"strings"
	"testing"
	"time"

	"yipiao/firmware-sim/tape"
)

func TestReadable(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b@座位 A1\r\n": "<ESC>@座位 A1<CR><LF>",
		"\xff\x00T1:x":   "<FF><NUL>T1:x",
		"\xc2\x85\x7f":   "<C2><85><7F>",
		"":               "",
	} {
		if got := tape.Readable([]byte(in)); got != want {
			t.Errorf("% x: %s, want %s", in, got, want)
		}
	}
}

// TestScreen_SHOW_8_2_3: every message is shown in readable form, Chinese first, with its bytes; polling is folded.
func TestScreen_SHOW_8_2_3(t *testing.T) {
	at := time.Date(2026, 1, 2, 8, 9, 10, 11e6, time.UTC)
	event := func(device, kind, text, hex string) tape.Event {
		return tape.Event{Time: at, Device: device, Kind: kind, Text: text, Hex: hex}
	}
	ask, answer := event("gate-1", tape.Received, "读寄存器 / read", "0103"), event("gate-1", tape.Sent, "应答 / answer", "010302ffff")
	events := []tape.Event{
		ask, answer, ask, event("scanner-1", tape.Sent, "发送 / sent", "41"), answer, ask, answer,
		event("gate-1", "permit", "放行 / permit", ""), ask, answer,
	}
	var b strings.Builder
	s := tape.Screen{W: &b, Bytes: 3}
	if err := s.Show(events...); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"08:09:10.011  gate-1       → 读寄存器 / read  | 01 03",
		"08:09:10.011  gate-1       ← 应答 / answer  | 01 03 02 … (5)",
		"08:09:10.011  scanner-1    ← 发送 / sent  | 41",
		"08:09:10.011  gate-1        （重复 4 条 / 4 repeated）",
		"08:09:10.011  gate-1       · 放行 / permit",
		"08:09:10.011  gate-1       → 读寄存器 / read  | 01 03",
		"08:09:10.011  gate-1       ← 应答 / answer  | 01 03 02 … (5)",
	}, "\n") + "\n"
	if b.String() != want {
		t.Errorf("screen\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	all := tape.Screen{W: &b, All: true}
	if err := all.Show(events...); err != nil || strings.Count(b.String(), "\n") != len(events) {
		t.Errorf("%v\n%s\nwant every event", err, b.String())
	}
}
