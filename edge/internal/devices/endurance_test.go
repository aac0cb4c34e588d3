package devices_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/port/evdevport"
	"yipiao/drivers/port/hidport"
	"yipiao/drivers/port/lpport"
	"yipiao/drivers/port/serialport"
	"yipiao/drivers/port/tcpport"
	"yipiao/drivers/vectors"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scannerhid"
)

// times is how often something is done: few in a test, as many as the issue asks for in `make soak-devices`.
func times(t *testing.T, short, long int) int {
	t.Helper()
	if os.Getenv("YIPIAO_ENDURANCE") != "" {
		return long
	}
	return short
}

// A holding is what a process holds of what leaks.
type holding struct {
	Goroutines  int    `json:"goroutines"`
	Descriptors int    `json:"descriptors"`
	Heap        uint64 `json:"heap_bytes"`
}

func hold(t *testing.T) holding {
	t.Helper()
	runtime.GC()
	runtime.GC() // what the first one has made reachable by finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return holding{runtime.NumGoroutine(), len(fds), m.HeapAlloc}
}

// heapRoom is how much more memory may be in use after a thousand rounds than before: buffers grow to their size
// and queues to their longest, once.
const heapRoom = 1 << 20

// same fails if more is held at the end than was before, and tells what was for `make bench-devices`.
func (before holding) same(t *testing.T, what string, n int, after holding) {
	t.Helper()
	if after.Goroutines > before.Goroutines || after.Descriptors > before.Descriptors || after.Heap > before.Heap+heapRoom {
		t.Errorf("%d %s: from %+v to %+v", n, what, before, after)
	}
	t.Logf("%d %s: from %+v to %+v", n, what, before, after)
	path := os.Getenv("YIPIAO_ENDURANCE")
	if filepath.Ext(path) != ".jsonl" {
		return
	}
	line, err := json.Marshal(map[string]any{"section": "endurance", "name": what, "value": n, "before": before, "after": after, "met": !t.Failed()})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// lineOf is a line of the first type that a kind speaks over.
func lineOf(k drivers.Kind, i int) devices.Port {
	types := map[drivers.PortType]devices.Line{
		drivers.PortSerial: serialport.Config{Path: fmt.Sprintf("/dev/serial-%d", i)},
		drivers.PortHID:    hidport.Config{Path: fmt.Sprintf("1-%d:1.0", i+1)},
		drivers.PortEvdev:  evdevport.Config{Path: fmt.Sprintf("/dev/input/event%d", i)},
		drivers.PortLP:     lpport.Config{Path: fmt.Sprintf("/dev/usb/lp%d", i)},
		drivers.PortTCP:    tcpport.Config{Address: fmt.Sprintf("192.0.2.%d:9100", i+1)},
	}
	for _, name := range []drivers.PortType{drivers.PortSerial, drivers.PortHID, drivers.PortEvdev, drivers.PortLP, drivers.PortTCP} {
		if k.Speaks(name) {
			return devices.Port{Line: types[name]}
		}
	}
	return devices.Port{}
}

// A hall is a set with a device of every kind, in a bubble, whose lines a test holds the other ends of.
type hall struct {
	set   *devices.Set
	kinds []string

	mu   sync.Mutex // guards the fields below
	ends map[string]board.Conn
	in   bool // plugs are in
}

func newHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{ends: make(map[string]board.Conn), in: true}
	reg := devices.Standard()
	h.kinds = reg.Names()
	var cfg []devices.Config
	for i, name := range h.kinds {
		k, _ := reg.Kind(name)
		cfg = append(cfg, devices.Config{Name: name, Kind: name, Port: lineOf(k, i)})
	}
	var err error
	if h.set, err = devices.New(cfg, reg, quiet()); err != nil {
		t.Fatal(err)
	}
	h.set.SetOpener(h.open)
	return h
}

func (h *hall) open(_ context.Context, p devices.Port) (port.Port, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.in {
		return nil, os.ErrNotExist
	}
	if p.Type() == drivers.PortHID {
		host, device := scannerhid.Pipe(port.ErrGone)
		h.ends[p.String()] = device
		return host, nil
	}
	host, device := board.Pipe(port.ErrGone)
	h.ends[p.String()] = device
	return host, nil
}

// plug pulls all plugs or puts them back.
func (h *hall) plug(in bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in = in
	if in {
		return
	}
	for _, e := range h.ends {
		_ = e.Close()
	}
	clear(h.ends)
}

// each writes to the device's end of every line, and throws away what the station has sent.
func (h *hall) each(frame func() []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	buf := make([]byte, 4096)
	for _, name := range h.kinds {
		st, _ := h.set.Status(name)
		e := h.ends[st.Port]
		if e == nil {
			continue
		}
		_ = e.SetReadDeadline(time.Now())
		_, _ = e.Read(buf)
		_ = e.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = e.Write(frame())
	}
}

// rubbish makes frames that look like something: random bytes, and vectors of all protocols cut, changed and joined.
func rubbish(t *testing.T, seed uint64) func() []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var good [][]byte
	for _, name := range devices.Standard().Names() {
		vs, err := vectors.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range vs {
			if len(v.Wire) > 0 {
				good = append(good, v.Wire)
			}
		}
	}
	return func() []byte {
		b := make([]byte, 1+r.IntN(64))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			return b
		}
		v := good[r.IntN(len(good))]
		cut := v[:1+r.IntN(len(v))]
		cut = append(append([]byte(nil), cut...), b[:r.IntN(len(b))]...)
		cut[r.IntN(len(cut))] ^= 1 << r.IntN(8)
		return cut
	}
}

// inHall runs a test with all devices running.
func inHall(t *testing.T, test func(t *testing.T, h *hall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.set.Run(ctx) }()
		drivertest.Elapse(time.Second)
		test(t, h)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestPlugCycles pulls and puts back the plugs of devices of every kind: nothing may grow.
func TestPlugCycles(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		noise := rubbish(t, 2)
		cycle := func(n int) {
			for range n {
				h.each(noise)
				drivertest.Elapse(30 * time.Millisecond) // pulled in the middle of something
				h.plug(false)
				drivertest.Elapse(20 * time.Millisecond)
				h.plug(true)
				drivertest.Elapse(time.Second) // the longest wait is half of that
			}
		}
		rounds := times(t, 40, 10_000)
		cycle(max(20, rounds/10))
		before := hold(t)
		cycle(rounds)
		before.same(t, "plug cycles in process, of "+strconv.Itoa(len(h.kinds))+" kinds each", rounds, hold(t))
		for _, st := range h.set.Snapshot() {
			if st.Opens < uint64(rounds) {
				t.Errorf("%s was opened %d times in %d cycles", st.Name, st.Opens, rounds)
			}
		}
	})
}

// TestGarbage lets every kind of device read nothing but rubbish. No driver may fail, hang or grow, and each must
// notice: whoever takes rubbish for a working device hides a broken one.
func TestGarbage(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		noise, r := rubbish(t, 3), rand.New(rand.NewPCG(3, 3))
		pour := func(frames int) {
			for range frames / len(h.kinds) {
				h.each(noise)
				drivertest.Elapse(time.Duration(1+r.IntN(40)*r.IntN(40)) * time.Millisecond) // often within a frame, at times after one
			}
		}
		frames := times(t, 20_000, 1_000_000)
		pour(frames / 10)
		before := hold(t)
		pour(frames)
		before.same(t, "frames of garbage, over "+strconv.Itoa(len(h.kinds))+" kinds", frames, hold(t))
		for _, st := range h.set.Snapshot() {
			blind := st.Kind == "acatri" // it never answers, and its note says so
			if st.State == drivers.StateOK && st.Frames == 0 && !blind || st.Errors == 0 || st.Opens != 1 {
				t.Errorf("%+v after nothing but rubbish", st)
			}
			t.Logf("%-10s %-9s frames %d, errors %d, opens %d, %s", st.Name, st.State, st.Frames, st.Errors, st.Opens, st.Note)
		}
	})
}

// TestPlugCyclesOnPTYs is TestPlugCycles with real ttys, and a scanner and a gate that work.
func TestPlugCyclesOnPTYs(t *testing.T) {
	v := newVenue(t)
	v.ready()
	next(t, v.ups)
	cycle := func(n int) {
		for range n {
			for _, name := range []string{"scanner-1", "gate-1"} {
				v.board(name).Unplug()
				v.until(name, drivers.StateLost)
				v.board(name).Replug()
				v.until(name, drivers.StateOK)
			}
			next(t, v.downs)
			next(t, v.ups)
		}
	}
	cycle(3)
	before := hold(t)
	cycles := times(t, 5, 200)
	cycle(cycles)
	before.same(t, "plug cycles on ptys", cycles, hold(t))
}
