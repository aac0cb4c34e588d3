package devices_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/relayboard"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

// A row is four gates of two protocols on one simulated RS-485 line, in a bubble.
type row struct {
	t     *testing.T
	set   *devices.Set
	gates []*devices.Gate
	line  *board.Multidrop
	drive func(context.Context, board.Conn) // serves the line once it is plugged in

	mu       sync.Mutex // guards the fields below
	in       bool       // the adapter is plugged in
	device   *board.PipeEnd
	opens    int
	frames   []string // what the station has sent, in hex
	passages map[string][]drivers.Passage
	ups      map[string]int
}

const adapter = "/dev/rs485"

func (r *row) configs(baud int) (all []devices.Config) {
	for i, d := range []struct{ kind, settings string }{
		{"lotgate", `{"unit":1}`},
		{"lotgate", `{"unit":2}`},
		{"relaygate", `{"unit":3,"open_s":5}`},
		{"relaygate", `{"unit":4,"open_s":5,"board":"lctech"}`},
	} {
		all = append(all, devices.Config{
			Name: fmt.Sprintf("gate-%d", i+1), Kind: d.kind, Settings: json.RawMessage(d.settings),
			Port: serial(serialport.Config{Path: adapter, Baud: baud}),
		})
	}
	return all
}

// sims makes the four things and lets them live until ctx is done.
func (r *row) sims(ctx context.Context, life *sync.WaitGroup) {
	var drops []board.Device
	for unit := byte(1); unit <= 2; unit++ {
		sim, err := turnstile.New(turnstile.Settings{Unit: unit}, tape.Recorder{})
		if err != nil {
			r.t.Fatal(err)
		}
		life.Go(func() { _ = sim.Run(ctx) })
		drops = append(drops, sim)
	}
	for _, s := range []relayboard.Settings{{Unit: 3}, {Unit: 4, Board: relayboard.LCTech}} {
		s.OpenFor = 5 * time.Second
		sim, err := relayboard.New(s, tape.Recorder{})
		if err != nil {
			r.t.Fatal(err)
		}
		life.Go(func() { _ = sim.Run(ctx) })
		drops = append(drops, sim)
	}
	r.line = board.NewMultidrop(drops...)
}

func onRow(t *testing.T, baud int, test func(r *row)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &row{t: t, in: true, passages: make(map[string][]drivers.Passage), ups: make(map[string]int)}
		ctx, cancel := context.WithCancel(context.Background())
		var life sync.WaitGroup
		r.sims(ctx, &life)
		r.drive = func(ctx context.Context, c board.Conn) { _ = r.line.Serve(ctx, board.NewLine(c, baud)) }
		var err error
		if r.set, err = devices.New(r.configs(baud), nil, quiet()); err != nil {
			t.Fatal(err)
		}
		r.set.SetOpener(func(ctx context.Context, p devices.Port) (port.Port, error) { return r.open(ctx, &life) })
		for _, c := range r.configs(baud) {
			r.subscribe(c.Name)
		}
		stopped := make(chan struct{})
		stations, stop := context.WithCancel(ctx)
		go func() {
			defer close(stopped)
			_ = r.set.Run(stations)
		}()
		t.Cleanup(func() {
			stop()
			<-stopped
			cancel()
			life.Wait()
		})
		test(r)
	})
}

func (r *row) subscribe(name string) {
	g, err := r.set.Gate(name)
	if err != nil {
		r.t.Fatal(err)
	}
	r.gates = append(r.gates, g)
	g.Subscribe(devices.GateEvents{
		Passage: func(p drivers.Passage) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.passages[name] = append(r.passages[name], p)
		},
		Up: func(u devices.Up) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if u.NewRun {
				r.ups[name]++
			}
		},
	})
}

// A tap is the station's end of the line that remembers what was sent.
type tap struct {
	*board.PipeEnd
	row *row
}

func (p tap) Write(b []byte) (int, error) {
	p.row.mu.Lock()
	p.row.frames = append(p.row.frames, hex.EncodeToString(b))
	p.row.mu.Unlock()
	return p.PipeEnd.Write(b)
}

func (r *row) open(ctx context.Context, life *sync.WaitGroup) (port.Port, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.in {
		return nil, os.ErrNotExist
	}
	host, device := board.Pipe(port.ErrGone)
	r.device = device
	r.opens++
	life.Go(func() { r.drive(context.WithoutCancel(ctx), device) })
	return tap{host, r}, nil
}

func (r *row) plug(in bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in = in
	if !in {
		_ = r.device.Close()
	}
}

// healthy fails unless the gates are, by their numbers from 0.
func (r *row) healthy(gates ...int) {
	r.t.Helper()
	for _, i := range gates {
		if st := r.gates[i].Status(); st.State != drivers.StateOK {
			r.t.Errorf("%s is %s: %s", st.Name, st.State, st.Note)
		}
	}
}

// pass lets one person through each of some gates at the same time.
func (r *row) pass(id drivers.PermitID, gates ...int) {
	r.t.Helper()
	var all sync.WaitGroup
	for _, i := range gates {
		all.Go(func() {
			if err := r.gates[i].Release(context.Background(), drivers.Permit{ID: id, Direction: drivers.Entry, For: 5 * time.Second}); err != nil {
				r.t.Errorf("%s: Release: %v", r.gates[i].Name(), err)
			}
		})
	}
	all.Wait()
	drivertest.Elapse(9 * time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range gates {
		name, n := r.gates[i].Name(), 0
		for _, p := range r.passages[name] {
			if p.Permit == id && p.Outcome == drivers.Passed {
				n++
			}
		}
		if n != 1 {
			r.t.Errorf("%s: %+v, want permit %d passed once", name, r.passages[name], id)
		}
	}
}

func TestFourGatesOnOneLine(t *testing.T) {
	onRow(t, 9600, func(r *row) {
		drivertest.Elapse(3 * time.Second)
		r.healthy(0, 1, 2, 3)
		r.mu.Lock()
		if r.opens != 1 {
			t.Errorf("the line was opened %d times, want once", r.opens)
		}
		r.mu.Unlock()
		for id := drivers.PermitID(1); id <= 3; id++ {
			r.pass(id, 0, 1, 2, 3)
		}
		r.healthy(0, 1, 2, 3)
	})
}

// TestAPermitGoesOutBeforeThePolls: whatever moment it comes, at most the exchange under way and the gate's own
// preparation come before it.
func TestAPermitGoesOutBeforeThePolls(t *testing.T) {
	onRow(t, 9600, func(r *row) {
		drivertest.Elapse(3 * time.Second)
		r.pass(1, 0) // sets its times
		for id := drivers.PermitID(2); id < 12; id++ {
			drivertest.Elapse(37 * time.Millisecond)
			r.mu.Lock()
			from := len(r.frames)
			r.mu.Unlock()
			if err := r.gates[0].Release(context.Background(), drivers.Permit{ID: id, Direction: drivers.Entry, For: 5 * time.Second}); err != nil {
				t.Fatal(err)
			}
			r.mu.Lock()
			before := 0
			for _, f := range r.frames[from:] {
				if strings.HasPrefix(f, "01100040") {
					break
				}
				if !strings.HasPrefix(f, "01") {
					before++
				}
			}
			r.mu.Unlock()
			if before > 1 {
				t.Errorf("%d frames of other gates went before the permit", before)
			}
			drivertest.Elapse(8 * time.Second)
		}
	})
}

func TestTheAdapterIsUnpluggedAndBack(t *testing.T) {
	onRow(t, 9600, func(r *row) {
		drivertest.Elapse(3 * time.Second)
		r.plug(false)
		drivertest.Elapse(3 * time.Second)
		for _, g := range r.gates {
			if st := g.Status(); st.State != drivers.StateLost || st.Note != "not plugged in" {
				t.Errorf("%s is %s: %s", st.Name, st.State, st.Note)
			}
		}
		r.plug(true)
		drivertest.Elapse(2 * time.Second)
		r.healthy(0, 1, 2, 3)
		r.mu.Lock()
		for name, n := range r.ups {
			if n != 2 {
				t.Errorf("%s: %d new runs, want 2", name, n)
			}
		}
		if r.opens != 2 || len(r.ups) != 4 {
			t.Errorf("opened %d times, %d gates up", r.opens, len(r.ups))
		}
		r.mu.Unlock()
		r.pass(1, 0, 1, 2, 3)
	})
}

func TestAMuteGateStarvesNobody(t *testing.T) {
	onRow(t, 9600, func(r *row) {
		drivertest.Elapse(3 * time.Second)
		r.line.SetFaults(0, board.Faults{Mute: true})
		drivertest.Elapse(30 * time.Second)
		if st := r.gates[0].Status(); st.State != drivers.StateLost {
			t.Errorf("the mute gate is %s", st.State)
		}
		r.healthy(1, 2, 3)
		r.pass(1, 1, 2, 3)
		r.line.SetFaults(0, board.Faults{})
		drivertest.Elapse(5 * time.Second)
		r.healthy(0, 1, 2, 3)
	})
}

func TestAnOverbookedLineSaysSo(t *testing.T) {
	onRow(t, 1200, func(r *row) {
		drivertest.Elapse(30 * time.Second)
		for _, g := range r.gates {
			if st := g.Status(); st.State != drivers.StateAttention || !strings.Contains(st.Note, "overbooked") {
				t.Errorf("%s is %s: %q", st.Name, st.State, st.Note)
			}
		}
	})
}

func TestWhoMayShareALine(t *testing.T) {
	device := func(name, kind, settings string, c serialport.Config) devices.Config {
		return devices.Config{Name: name, Kind: kind, Port: serial(c), Settings: json.RawMessage(settings)}
	}
	line := serialport.Config{Path: adapter}
	cases := []struct {
		name   string
		second devices.Config
		says   string // "" for nothing
	}{
		{"the same settings", device("b", "relaygate", `{"unit":2}`, line), ""},
		{"the default said aloud", device("b", "relaygate", `{"unit":2}`, serialport.Config{Path: adapter, Baud: 9600}), ""},
		{"another speed", device("b", "relaygate", `{"unit":2}`, serialport.Config{Path: adapter, Baud: 19200}),
			"device b: port: /dev/rs485 19200 8N1 is shared with device a, which has it as /dev/rs485 9600 8N1"},
		{"a kind that takes no turns", device("b", "linescan", ``, line), "device b: port.path: /dev/rs485 is used by device a"},
	}
	for _, c := range cases {
		_, err := devices.New([]devices.Config{device("a", "lotgate", ``, line), c.second}, nil, quiet())
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}
