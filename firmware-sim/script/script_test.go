package script_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/control"
	"yipiao/firmware-sim/script"
)

const patience = 5 * time.Second

const venue = `{"seed":3,"devices":[
	{"name":"scanner-1","kind":"scanner","tcp":"127.0.0.1:0","faults":{"flip_rate":100,"drop_rate":50}},
	{"name":"id-1","kind":"idreader","inside":true},
	{"name":"gate-1","kind":"turnstile","inside":true,"visitor":"manual","pass_ms":1}],
	"wan":{"listen":"127.0.0.1:0","target":"127.0.0.1:1"}}`

// client runs a venue and returns what steers it.
func client(t *testing.T) *control.Client {
	t.Helper()
	cfg, err := bench.ParseConfig([]byte(venue))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	b, err := bench.New(cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = b.Run(ctx) })
	all.Go(func() { _ = control.NewServer(b, quiet).Run(ctx, socket) })
	c := control.NewClient(socket)
	t.Cleanup(func() {
		c.Close()
		cancel()
		all.Wait()
	})
	wait, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := c.WaitReady(wait); err != nil {
		t.Fatal(err)
	}
	return c
}

func run(t *testing.T, c *control.Client, text string) (said string, err error) {
	t.Helper()
	s, err := script.Parse(text)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	var out strings.Builder
	err = s.Run(ctx, c, &out)
	return out.String(), err
}

func TestAScript(t *testing.T) {
	c := client(t)
	said, err := run(t, c, `
# somebody forces the exit, and a card is taken away too early
gate-1 force direction=exit
await gate-1 passed within=4s
gate-1 visitor mode=walk walk_ms=20   # in a hurry
id-1 lay specimen=resident stay_ms=10000
wait 1ms
id-1 lift
await id-1 lifted
id-1 lay card={"kind":"resident","name":"张 三","sex":"1","birth":"19491231","number":"11010519491231002X","from":"20100101","to":"长期"}
gate-1 fire on=yes
wan cut
await wan cut
wan mend
wan delay ms=0x10
seed 5
wait 1ms..3ms
`)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(said, "   3  gate-1 force direction=exit\n   4  await gate-1 passed") {
		t.Errorf("said\n%s", said)
	}
	d, err := c.Device(t.Context(), "gate-1")
	if err != nil || d.Turnstile.ExitCount != 1 || d.Turnstile.WalkMs != 20 || !d.Turnstile.Fire {
		t.Errorf("%+v, %v", d.Turnstile, err)
	}
	if w, err := c.WAN(t.Context()); err != nil || w.Cut || w.DelayMs != 16 {
		t.Errorf("%+v, %v", w, err)
	}
	if d, err := c.Device(t.Context(), "id-1"); err != nil || !strings.Contains(string(d.State), `"card":"resident"`) {
		t.Errorf("%s, %v", d.State, err)
	}
}

func TestParseNamesLineAndWhatWasExpected(t *testing.T) {
	for line, says := range map[string]string{
		`wait`: "want wait 300ms", `wait soon`: "want wait 300ms", `wait 2s..1s`: "want wait 300ms", `wait 5h`: "an hour at most",
		`await gate-1`: "want await DEVICE EVENT", `await gate-1 passed 5s`: "want await", `await gate-1 passed for=5s`: "want await",
		`seed x`: "want seed NUMBER", `gate-1`: "want DEVICE ACT", `gate-1 pass entry`: "want DEVICE ACT",
		`mode=walk`: "want a device's name first", `gate-1 visitor mode=walk now`: `"now" 应写作 键=值 (want key=value)`,
		`s scan text="a b`: "quotes do not match", `s lay card={"a":}`: "not JSON",
	} {
		_, err := script.Parse("# remark\n\n" + line + "\n")
		if err == nil || !strings.Contains(err.Error(), "第 3 行 (line 3): ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want line 3 and %s", line, err, says)
		}
	}
	_, err := script.Parse("wait\nwait 1s\nseed x")
	if err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("%v, want every line that is wrong", err)
	}
}

// TestNothingIsDoneWhereALineIsWrong: what the bench does not have is found before the first act.
func TestNothingIsDoneWhereALineIsWrong(t *testing.T) {
	c := client(t)
	for line, says := range map[string]string{
		`gate-9 fire on=yes`:       `line 2): 没有设备 "gate-9"，有 (no such device, there are) scanner-1, id-1, gate-1`,
		`await gate-9 passed`:      "line 2",
		`gate-1 scan text=X`:       `line 2): gate-1 没有动作 "scan"，有 (has no such act, but) visitor, pass`,
		`gate-1 fire o=yes`:        `has no such key, but) on`,
		`gate-1 fire on=maybe`:     "want on or off",
		`gate-1 fault bits=many`:   "want a number",
		`gate-1 power hard=yes`:    "takes no keys",
		`gate-1 fire on=yes on=no`: "is there twice",
		`id-1 lay card=resident`:   "want JSON",
		`wan burn`:                 "has no such act, but) cut, mend, delay",
	} {
		if _, err := run(t, c, "gate-1 blocked on=yes\n"+line); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", line, err, says)
		}
	}
	if d, err := c.Device(t.Context(), "gate-1"); err != nil || d.Turnstile.Blocked {
		t.Errorf("%+v, %v: the first line was done", d.Turnstile, err)
	}
}

func TestAScriptEndsWhereAnActFails(t *testing.T) {
	c := client(t)
	for text, says := range map[string]string{
		"gate-1 pass\nwait 1h":                              "line 1): simulator",
		"wait 1ms\nawait gate-1 passed within=5ms\nwait 1h": "line 2): gate-1 在 5ms 内没有事件 \"passed\" (no such event in time)",
	} {
		if _, err := run(t, c, text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

// TestASeededScriptIsEqualTwice: on a line with random faults the same script puts the same bytes twice.
func TestASeededScriptIsEqualTwice(t *testing.T) {
	wire := func() []byte {
		c := client(t)
		d, err := c.Device(t.Context(), "scanner-1")
		if err != nil {
			t.Fatal(err)
		}
		station, err := net.DialTimeout("tcp", d.Line.Path, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = station.Close() }()
		_ = station.SetDeadline(time.Now().Add(patience))
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for until := time.Now().Add(patience); !d.Line.Open && time.Now().Before(until); d, _ = c.Device(t.Context(), "scanner-1") {
			<-tick.C
		}
		lines := strings.Repeat("scanner-1 scan text=\"0123456789 0123456789\"\nwait 0ms..2ms\n", 20)
		if _, err := run(t, c, "seed 9\n"+lines+"scanner-1 faults\nscanner-1 raw hex=00\n"); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for one := make([]byte, 1); !bytes.HasSuffix(got, []byte{0}); {
			if _, err := io.ReadFull(station, one); err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			got = append(got, one[0])
		}
		return got
	}
	first, again := wire(), wire()
	if !bytes.Equal(first, again) || bytes.Contains(first, bytes.Repeat([]byte("0123456789 0123456789\r"), 20)) {
		t.Errorf("first\n%q\nagain\n%q", first, again)
	}
}
