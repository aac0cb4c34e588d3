package control_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/control"
)

// everything is one thing of each kind.
const everything = `{"seed":1,"devices":[
	{"name":"scanner","kind":"scanner","tcp":"127.0.0.1:0"},
	{"name":"line","kind":"scannerline","tcp":"127.0.0.1:0","dialect":"newland","mode":"trigger"},
	{"name":"ssi","kind":"scannerssi","inside":true,"mode":"trigger"},
	{"name":"hid","kind":"scannerhid","mode":"trigger"},
	{"name":"wedge","kind":"scannerwedge"},
	{"name":"id","kind":"idreader","inside":true},
	{"name":"mrz","kind":"mrzreader","inside":true},
	{"name":"tags","kind":"rfid","inside":true,"protocol":"a0"},
	{"name":"printer","kind":"printer","tcp":"127.0.0.1:0"},
	{"name":"gate","kind":"turnstile","inside":true,"visitor":"manual"},
	{"name":"relays","kind":"relayboard","inside":true,"visitor":"manual"},
	{"name":"tpw","kind":"tpwgate","inside":true,"visitor":"manual"},
	{"name":"tripod","kind":"tripod","inside":true,"visitor":"manual"},
	{"name":"hand","kind":"handheld","url":"https://127.0.0.1:1","token_file":"/nowhere","lane":"H1","retry_ms":1}
]}`

// acting runs a bench below a server and returns a client of it.
func acting(t *testing.T, config string) (*control.Client, *bench.Bench) {
	t.Helper()
	c, err := bench.ParseConfig([]byte(config))
	must(t, err)
	b, err := bench.New(c, slog.New(slog.DiscardHandler))
	must(t, err)
	socket := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Errorf("bench: %v", err)
		}
	})
	all.Go(func() {
		if err := control.NewServer(b, slog.New(slog.DiscardHandler)).Run(ctx, socket); err != nil {
			t.Errorf("control: %v", err)
		}
	})
	client := control.NewClient(socket)
	t.Cleanup(func() {
		client.Close()
		cancel()
		all.Wait()
	})
	wait, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	must(t, client.WaitReady(wait))
	return client, b
}

type args map[string]any

// TestEveryAct does every act of every kind once through the socket, and something that the act refuses.
func TestEveryAct(t *testing.T) {
	c, b := acting(t, everything)
	for _, name := range []string{"hid", "wedge", "ssi", "id", "mrz", "tags"} { // somebody has to have them open
		line, err := b.Board(name)
		must(t, err)
		h, err := line.Connect(http.ErrServerClosed)
		must(t, err)
		defer func() { _ = h.Close() }()
	}
	faults, heal := args{"mute": true, "drop_rate": 5}, args{}
	plug := []try{{"faults", faults, 0}, {"faults", args{"drop_rate": -1}, 400}, {"faults", heal, 0}, {"unplug", nil, 0}, {"replug", nil, 0}}
	for device, tries := range map[string][]try{
		"scanner": {{"scan", args{"text": "X"}, 409}, {"raw", args{"hex": "zz"}, 400}, {"raw", args{"hex": "ff"}, 409}},
		"line":    {{"scan", args{"text": "X"}, 0}, {"raw", args{"hex": "ff"}, 409}, {"trigger", args{"on": true}, 409}},
		"ssi":     {{"scan", args{"text": "X"}, 0}, {"refuse", args{"n": 2, "reason": 6}, 0}, {"refuse", args{"n": -1}, 400}, {"raw", args{"hex": "ff"}, 0}, {"trigger", args{}, 0}},
		"hid":     {{"gap", args{"ms": 1}, 0}, {"gap", args{"ms": -1}, 400}, {"break_off", args{"n": 1}, 0}, {"scan", args{"text": "X"}, 0}, {"trigger", args{"on": true}, 0}, {"raw", args{"hex": "ff"}, 0}},
		"wedge":   {{"break_off", args{"n": 1}, 0}, {"break_off", args{"n": -1}, 400}, {"scan", args{"text": "XY"}, 0}, {"scan", args{"text": "座"}, 400}, {"raw", args{"hex": "ff"}, 0}},
		"id": {{"lay", args{"specimen": "resident", "stay_ms": 5}, 0}, {"lay", args{}, 400}, {"lay", args{"specimen": "cat"}, 400},
			{"lay", args{"card": args{"kind": "resident", "name": "张三", "sex": "1", "birth": "19491231", "number": "11010519491231002X", "from": "20100101", "to": "长期"}}, 0},
			{"lift", nil, 0}, {"module", args{"status": 1}, 0}},
		"mrz":  {{"lay", args{"specimen": "td1"}, 0}, {"lay", args{"lines": []string{"A"}}, 0}, {"lay", args{}, 400}, {"raw", args{"hex": "ff"}, 0}},
		"tags": {{"put", args{"id": "e20011223344556677889900", "antenna": 1, "rssi": -40}, 0}, {"put", args{"id": "e2"}, 400}, {"take", args{}, 0}, {"raw", args{"hex": "ff"}, 0}},
		"printer": {{"paper", args{"low": true}, 0}, {"paper", args{"after": 9}, 0}, {"paper", args{"after": 9, "out": true}, 400}, {"ribbon", args{"out": true}, 0},
			{"cover", args{"open": true}, 0}, {"button", args{"on": false}, 0}, {"cutter", args{"jam": true}, 0}, {"cutter", args{"jam": true, "next": true}, 0},
			{"cutter", args{"next": true}, 400}, {"cutter", args{}, 0}, {"power", args{"after": 9}, 0}, {"power", args{}, 0}, {"power", args{"on": true}, 0},
			{"power", args{"on": true, "after": 1}, 400}, {"tear", nil, 0}, {"raw", args{"hex": "ff"}, 409}},
		"gate": {{"visitor", args{"mode": "follow", "walk_ms": 5}, 0}, {"visitor", args{"mode": "run"}, 400}, {"pass", args{"direction": "up"}, 400},
			{"pass", args{}, 409}, {"free", args{"direction": "exit", "on": true}, 0}, {"fire", args{"on": true}, 0}, {"fire", args{}, 0}, {"blocked", args{"on": true}, 0},
			{"fault", args{"bits": 4}, 0}, {"counters", args{"entry": 7, "exit": 8}, 0}, {"power", nil, 0}, {"force", args{"direction": "exit"}, 0}},
		"relays": {{"visitor", args{"mode": "stay"}, 0}, {"visitor", args{"mode": "run"}, 400}, {"pass", args{}, 409}, {"force", args{"direction": "exit"}, 0},
			{"force", args{"direction": "up"}, 400}, {"alarm", args{"on": true}, 0}, {"fire", args{"on": true}, 0}, {"stuck", args{"relay": 1, "on": true}, 0},
			{"stuck", args{"relay": 0}, 400}, {"switch", args{"relay": 2, "on": true}, 0}, {"power", nil, 0}},
		"tpw": {{"visitor", args{"mode": "stay"}, 0}, {"pass", args{}, 409}, {"force", args{"direction": "exit"}, 0}, {"free", args{"on": true}, 0},
			{"forbidden", args{"on": true}, 0}, {"forbidden", args{"direction": "up"}, 400}, {"refuses", args{"on": true}, 0}, {"counters", args{"entry": 1, "exit": 2}, 0}, {"power", nil, 0}},
		"tripod": {{"visitor", args{"mode": "stay"}, 0}, {"pass", args{"direction": "right"}, 409}, {"pass", args{"direction": "entry"}, 400}},
		"hand": {{"scan", args{"text": "X"}, 409}, {"health", args{"battery": 50, "network": "mobile", "signal": -70}, 0}, {"health", args{"battery": 500}, 400},
			{"report", nil, 409}, {"unplug", nil, 0}, {"replug", nil, 0}, {"faults", args{"lose_replies": 1}, 0}, {"faults", args{"lose_rate": -1}, 400}},
	} {
		if device != "hand" {
			tries = append(tries, plug...)
		}
		done := make(map[string]bool)
		for _, try := range tries {
			done[try.act] = true
			err := c.Act(t.Context(), device, try.act, try.args)
			if try.status == 0 && err != nil {
				t.Errorf("%s %s %v: %v", device, try.act, try.args, err)
			}
			if try.status != 0 {
				failsWith(t, err, try.status, "")
			}
		}
		acts, err := c.Acts(t.Context(), device)
		must(t, err)
		for _, a := range acts {
			if !done[a.Name] {
				t.Errorf("%s %s is not tried", device, a.Name)
			}
		}
	}
}

// A try is an act with its arguments and the HTTP status of its error, 0 for none.
type try struct {
	act    string
	args   args
	status int
}

func TestActsAreListed(t *testing.T) {
	c, _ := acting(t, everything)
	acts, err := c.Acts(t.Context(), "id")
	must(t, err)
	if a := acts[0]; a.Name != "lay" || !strings.HasPrefix(a.Does, "放上证件") || len(a.Keys) != 3 ||
		a.Keys[0] != (bench.Key{Name: "specimen", Type: bench.Text}) || a.Keys[1].Type != bench.JSON || a.Keys[2].Type != bench.Number {
		t.Errorf("%+v", a)
	}
	_, err = c.Acts(t.Context(), "cat")
	failsWith(t, err, http.StatusNotFound, "cat")
	failsWith(t, c.Act(t.Context(), "id", "scan", nil), http.StatusBadRequest, `"id" is a idreader and has no act "scan"; it has lay, lift`)
	failsWith(t, c.Act(t.Context(), "id", "lift", args{"speed": 1}), http.StatusBadRequest, "speed")
	devices, err := c.Devices(t.Context())
	if err != nil || len(devices) != 14 || !strings.Contains(string(devices[5].State), `"reads"`) || devices[9].Turnstile == nil || devices[0].Scanner == nil {
		t.Errorf("%+v, %v", devices, err)
	}
}
