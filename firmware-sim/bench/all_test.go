package bench_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/handheld"
	"yipiao/firmware-sim/idreader"
	"yipiao/firmware-sim/mrzreader"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/relayboard"
	"yipiao/firmware-sim/rfid"
	"yipiao/firmware-sim/scannerhid"
	"yipiao/firmware-sim/scannerline"
	"yipiao/firmware-sim/scannerssi"
	"yipiao/firmware-sim/scannerwedge"
	"yipiao/firmware-sim/tpwgate"
	"yipiao/firmware-sim/tripod"
)

func parse(t *testing.T, devices string) bench.Config {
	t.Helper()
	c, err := bench.ParseConfig([]byte(`{"seed":7,"devices":[` + devices + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryKindIsConfigured(t *testing.T) {
	battery := 80
	for _, c := range []struct {
		keys string
		want any
	}{
		{`"kind":"scannerline","pty":"p","dialect":"newland","terminator":"CRLF","aim":"]Q1","mode":"trigger"`,
			scannerline.Settings{Dialect: "newland", Terminator: "CRLF", AIM: "]Q1", Mode: "trigger"}},
		{`"kind":"scannerssi","tcp":"127.0.0.1:0","type":5,"aim":"]Q1","mode":"trigger","response_ms":300`,
			scannerssi.Settings{Type: 5, AIM: "]Q1", Mode: "trigger", ResponseMs: 300}},
		{`"kind":"scannerhid","aim":"]Q3","honeywell":true,"mode":"trigger"`, scannerhid.Settings{AIM: "]Q3", Honeywell: true, Mode: "trigger"}},
		{`"kind":"scannerwedge","terminator":"TAB","aim":"]Q1","key_ms":2`, scannerwedge.Settings{Terminator: "TAB", AIM: "]Q1", KeyMs: 2}},
		{`"kind":"idreader","pty":"p","read_ms":50,"finds_again":true,"module_status":1,"module":"ab"`,
			idreader.Settings{ReadMs: 50, FindsAgain: true, ModuleStatus: 1, Module: "ab"}},
		{`"kind":"mrzreader","pty":"p","framing":"lines","break":"CR"`, mrzreader.Settings{Framing: "lines", Break: "CR"}},
		{`"kind":"rfid","inside":true,"protocol":"a0","address":2,"antennas":4,"repeats":5`,
			rfid.Settings{Protocol: "a0", Address: 2, Antennas: 4, Repeats: 5}},
		{`"kind":"printer","pty":"p","model":"zpl","dots":800,"row_us":90,"buffer":4096,"clone":true,"mute":true,"dir":"d","font":"f"`,
			printer.Settings{Model: "zpl", Dots: 800, RowUs: 90, Buffer: 4096, Clone: true, Mute: true, Dir: "d", Font: "f"}},
		{`"kind":"relayboard","pty":"p","board":"lctech","unit":3,"on_for":2,"open_for_ms":4,"visitor":"stay","walk_ms":5,"pass_ms":6,"signal_ms":7,"closed":[4]`,
			relayboard.Settings{Board: "lctech", Unit: 3, OnFor: 2, OpenFor: 4 * time.Millisecond, Visitor: "stay", Walk: 5 * time.Millisecond,
				Pass: 6 * time.Millisecond, Signal: 7 * time.Millisecond, Closed: []int{4}}},
		{`"kind":"tpwgate","pty":"p","visitor":"stay","walk_ms":5,"pass_ms":6,"version":"V2","id":"7"`,
			tpwgate.Settings{Visitor: "stay", Walk: 5 * time.Millisecond, Pass: 6 * time.Millisecond, Version: "V2", ID: "7"}},
		{`"kind":"tripod","pty":"p","visitor":"stay","walk_ms":5,"open_for_ms":6`,
			tripod.Settings{Visitor: "stay", Walk: 5 * time.Millisecond, OpenFor: 6 * time.Millisecond}},
		{`"kind":"handheld","url":"https://h:1","token_file":"t","ca_file":"c","lane":"H1","request":"exit","timeout_ms":9,"tries":2,"retry_ms":3,"report_s":4,"seed":5,"battery":80,"charging":true,"network":"mobile","signal":-80`,
			handheld.Settings{URL: "https://h:1", TokenFile: "t", CAFile: "c", Lane: "H1", Request: "exit", TimeoutMs: 9, Tries: 2, RetryMs: 3, ReportS: 4, Seed: 5,
				Health: handheld.Health{Battery: &battery, Charging: true, Network: "mobile", Signal: -80}}},
	} {
		got := parse(t, `{"name":"x",`+c.keys+`}`)
		if text, want := fmt.Sprintf("%#v", plain(got.Devices[0].Settings)), fmt.Sprintf("%#v", plain(c.want)); text != want || got.Seed != 7 {
			t.Errorf("%s:\n%s, want\n%s", c.keys, text, want)
		}
	}
}

// plain takes the only pointer out of settings, so that they can be compared as text.
func plain(settings any) any {
	if h, ok := settings.(handheld.Settings); ok {
		battery := *h.Battery
		h.Battery = nil
		return []any{h, battery}
	}
	return settings
}

func TestEveryKindRefusesUnknownKeys(t *testing.T) {
	for _, kind := range strings.Fields("scanner scannerline scannerssi scannerhid scannerwedge idreader mrzreader rfid printer turnstile relayboard tpwgate tripod handheld") {
		_, err := bench.ParseConfig([]byte(`{"devices":[{"name":"x","kind":"` + kind + `","inside":true,"speed":1}]}`))
		if err == nil || !strings.Contains(err.Error(), `devices[0] "x": json: unknown field "speed"`) {
			t.Errorf("%s: %v, want an error that names key and device", kind, err)
		}
	}
}

func TestLinesThatCannotBe(t *testing.T) {
	for keys, says := range map[string]string{
		`"kind":"scanner","pty":"p","tcp":"h:1"`:                                 "only one of",
		`"kind":"scannerhid","pty":"p"`:                                          "USB device",
		`"kind":"scannerwedge","tcp":"h:1"`:                                      "USB device",
		`"kind":"scanner","inside":true,"baud":-1`:                               "baud -1",
		`"kind":"scanner","inside":true,"faults":{"flip_rate":1001}`:             "flip_rate 1001",
		`"kind":"scanner","inside":true,"faults":{"speed":1}`:                    `faults: json: unknown field "speed"`,
		`"kind":"handheld","pty":"p","url":"https://h:1"`:                        "has no line",
		`"kind":"handheld","url":"https://h:1","faults":{"mute":true}`:           "has no line",
		`"kind":"scanner","tcp":"h:1"},{"name":"y","kind":"scanner","tcp":"h:1"`: `tcp "h:1" is used twice`,
	} {
		if _, err := bench.ParseConfig([]byte(`{"devices":[{"name":"x",` + keys + `}]}`)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error with %s", keys, err, says)
		}
	}
}

func TestEveryKindChecksItsSettings(t *testing.T) {
	for keys, says := range map[string]string{
		`"kind":"scannerline","dialect":"zebra"`: "dialect", `"kind":"scannerssi","response_ms":-1`: "response_ms",
		`"kind":"scannerhid","aim":"Q"`: "aim", `"kind":"scannerwedge","terminator":"CR"`: "terminator",
		`"kind":"idreader","module":"ab"`: "module", `"kind":"mrzreader","framing":"x"`: "framing",
		`"kind":"rfid","protocol":"x"`: "protocol", `"kind":"printer","model":"x"`: "model",
	} {
		_, err := bench.New(parse(t, `{"name":"x","inside":true,`+keys+`}`), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), `device "x"`) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error about %s of the device", keys, err, says)
		}
	}
	_, err := bench.New(parse(t, `{"name":"x","kind":"handheld","url":"http://h"}`), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "url") {
		t.Errorf("%v, want an error about the url", err)
	}
}

// running starts a bench; DIR in devices is a directory of the test.
func running(t *testing.T, devices string) (*bench.Bench, string) {
	t.Helper()
	dir := t.TempDir()
	b, err := bench.New(parse(t, strings.ReplaceAll(devices, "DIR", dir)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "dev", "*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return b, dir
}

func do(t *testing.T, b *bench.Bench, device, act, args string) {
	t.Helper()
	if err := b.Act(t.Context(), device, act, []byte(args)); err != nil {
		t.Errorf("%s %s %s: %v", device, act, args, err)
	}
}

func TestFindAndState(t *testing.T) {
	b, dir := running(t, `{"name":"printer-1","kind":"printer","inside":true,"dir":"DIR/tickets"},{"name":"hh-1","kind":"handheld","url":"https://h:1","token_file":"t","lane":"H1"}`)
	if _, err := os.Stat(filepath.Join(dir, "tickets")); err != nil {
		t.Error(err)
	}
	if p, err := bench.Find[*printer.Printer](b, "printer-1"); err != nil || p.State().Model != printer.ESCPOS {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := b.Scanner("printer-1"); err == nil || !strings.Contains(err.Error(), "is a printer") {
		t.Errorf("%v, want that it is a printer", err)
	}
	if _, err := b.Board("hh-1"); err == nil || !strings.Contains(err.Error(), "no line") {
		t.Errorf("%v, want that it has no line", err)
	}
	list := b.Devices()
	if len(list) != 2 || list[1].Line != (board.State{Path: "https://h:1", Plugged: true, Present: true}) || !strings.Contains(string(list[0].State), `"model":"escpos"`) {
		t.Errorf("%+v", list)
	}
}
