package bench_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/turnstile"
)

const good = `{
  "devices": [
    {"name":"scanner-1","kind":"scanner","pty":"var/dev/scanner-1","baud":9600,"aim":"]Q1","terminator":"CRLF"},
    {"name":"gate-1","kind":"turnstile","pty":"var/dev/gate-1","unit":3,"visitor":"stay","walk_ms":250,"pass_ms":90,"take_early":true,"state":"var/gate-1.json"}
  ],
  "wan": {"listen":"127.0.0.1:19443","target":"127.0.0.1:9443","delay_ms":20}
}`

func TestParseConfig(t *testing.T) {
	c, err := bench.ParseConfig([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Devices) != 2 || c.WAN == nil || c.WAN.DelayMs != 20 {
		t.Fatalf("%+v", c)
	}
	if d := c.Devices[0]; d.Name != "scanner-1" || d.Baud != 9600 || d.Settings != (scanner.Settings{Terminator: "CRLF", AIM: "]Q1"}) {
		t.Errorf("scanner %+v", d)
	}
	want := turnstile.Settings{
		Unit: 3, Visitor: turnstile.Stay, Walk: 250 * time.Millisecond, Pass: 90 * time.Millisecond,
		TakeEarly: true, State: "var/gate-1.json",
	}
	if d := c.Devices[1]; d.Settings != want {
		t.Errorf("turnstile %+v, want %+v", d.Settings, want)
	}
}

func TestParseConfigNamesWhatIsWrong(t *testing.T) {
	device := func(keys string) string { return `{"devices":[{` + keys + `}]}` }
	cases := []struct{ name, raw, says string }{
		{"unknown key at the top", `{"device":[]}`, `"device"`},
		{"unknown key of a device", device(`"name":"s","kind":"scanner","pty":"p","speed":1`), `devices[0] "s": json: unknown field "speed"`},
		{"key of another kind", device(`"name":"s","kind":"scanner","pty":"p","walk_ms":1`), `"walk_ms"`},
		{"unknown key of the wan", `{"wan":{"listen":"a","target":"b","cut":true}}`, `"cut"`},
		{"unknown kind", device(`"name":"p","kind":"kettle","pty":"p"`), `kind "kettle", want one of scanner, `},
		{"no name", device(`"kind":"scanner","pty":"p"`), `name is missing`},
		{"no pty", device(`"name":"s","kind":"scanner"`), `device "s": pty is missing`},
		{"name used twice", `{"devices":[{"name":"s","kind":"scanner","pty":"a"},{"name":"s","kind":"scanner","pty":"b"}]}`, `name "s" is used twice`},
		{"pty used twice", `{"devices":[{"name":"s","kind":"scanner","pty":"a"},{"name":"r","kind":"scanner","pty":"a"}]}`, `pty "a" is used twice`},
		{"unit out of range", device(`"name":"g","kind":"turnstile","pty":"p","unit":300`), `unit 300`},
		{"wan without a target", `{"wan":{"listen":"a"}}`, `target`},
		{"not JSON", `devices: []`, `config`},
		{"two objects", `{} {}`, `follows`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := bench.ParseConfig([]byte(c.raw)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want an error with %s", err, c.says)
			}
		})
	}
}

func TestNewChecksTheDevicesSettings(t *testing.T) {
	for raw, says := range map[string]string{
		`{"devices":[{"name":"s","kind":"scanner","pty":"p","terminator":"EOL"}]}`: `device "s": terminator "EOL"`,
		`{"devices":[{"name":"g","kind":"turnstile","pty":"p","visitor":"run"}]}`:  `device "g": visitor "run"`,
		`{"wan":{"listen":"a","target":"b","delay_ms":-1}}`:                        `delay`,
	} {
		c, err := bench.ParseConfig([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bench.New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error with %s", raw, err, says)
		}
	}
}
