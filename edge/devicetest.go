package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port/plug"
	"yipiao/edge/internal/devices"
	"yipiao/edge/internal/lanapi"
	"yipiao/edge/internal/lane"
	"yipiao/sync/ticket"
)

// DeviceTest is a test of a device, at work or over (GET /api/v1/devices/NAME/test).
type DeviceTest struct {
	ID      string           `json:"id"`
	Device  string           `json:"device"`
	Family  string           `json:"family"` // scanner | reader | gate | printer
	By      string           `json:"by"`
	BegunMs int64            `json:"begun_ms"`
	Done    bool             `json:"done"`
	OK      bool             `json:"ok"`   // meaningful once it is done
	Code    string           `json:"code"` // of the newest step; of the outcome once it is done
	Steps   []DeviceTestStep `json:"steps"`
}

// DeviceTestStep is one thing that a test tells; personal data is masked.
type DeviceTestStep struct {
	devices.TryStep
	AtMs int64 `json:"at_ms"`
}

// A heldTest is a test and who waits for it.
type heldTest struct {
	DeviceTest
	changed chan struct{} // closed and replaced at every step
	cancel  context.CancelFunc
}

// deviceTests are the newest test of each device. It implements lanapi.DeviceTests.
type deviceTests struct {
	st *Station

	mu    sync.Mutex // guards the fields below
	ctx   context.Context
	tests map[string]*heldTest
	count int
	all   sync.WaitGroup
}

func (s *Station) assembleDeviceTests() error {
	s.tests = &deviceTests{st: s, tests: make(map[string]*heldTest)}
	return nil
}

// run lets tests begin until ctx ends, and waits for those at work.
func (d *deviceTests) run(ctx context.Context) error {
	d.mu.Lock()
	d.ctx = ctx
	d.mu.Unlock()
	<-ctx.Done()
	d.mu.Lock()
	d.ctx = nil
	d.mu.Unlock()
	d.all.Wait()
	return nil
}

// Hardware implements lanapi.DeviceTests.
func (d *deviceTests) Hardware() (any, error) {
	return Survey(plug.Tree{}, &d.st.cfg, d.st.Status().Devices)
}

// Begin implements lanapi.DeviceTests.
func (d *deviceTests) Begin(name, by string, open, print bool) (any, error) {
	family, known := d.st.devices.Family(name)
	u := d.st.laneOfGate(name)
	switch {
	case !known:
		return nil, lanapi.ErrNoSuchDevice
	case open && family != devices.FamilyGate:
		return nil, lanapi.ErrNoGate
	case print && family != devices.FamilyPrinter:
		return nil, lanapi.ErrNoPrinter
	case open && u.busy():
		return nil, lanapi.ErrLaneBusy
	}
	held, ctx, err := d.hold(name, by, family)
	if err != nil {
		return nil, err
	}
	if err := d.record(ctx, name, by, begun(open, print)); err != nil {
		d.end(held, false)
		return nil, err
	}
	req := devices.TryRequest{Open: open, Print: print, Direction: u.direction(), Title: d.st.id.Station.String()}
	go d.try(ctx, held, req)
	return d.snapshot(held), nil
}

// begun is the operator action that a test is.
func begun(open, print bool) string {
	switch {
	case open:
		return "gate_test_opened"
	case print:
		return "test_page_printed"
	}
	return "device_tested"
}

// record journals an operator action and waits until it is durable: a gate opens on nothing less.
func (d *deviceTests) record(ctx context.Context, name, by, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := d.st.ledger.Note(ctx, ticket.FactOperatorAction, ticket.Note{Subject: name, State: what, Text: by})
	return err
}

// hold makes a test the newest of its device, unless one is at work.
func (d *deviceTests) hold(name, by string, family devices.Family) (*heldTest, context.Context, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ctx == nil:
		return nil, nil, lanapi.ErrStopping
	case d.tests[name] != nil && !d.tests[name].Done:
		return nil, nil, lanapi.ErrTestRunning
	}
	ctx, cancel := context.WithCancel(d.ctx)
	d.count++
	h := &heldTest{changed: make(chan struct{}), cancel: cancel, DeviceTest: DeviceTest{
		ID: strconv.Itoa(d.count), Device: name, Family: string(family), By: by, BegunMs: time.Now().UnixMilli(), Steps: []DeviceTestStep{},
	}}
	d.tests[name] = h
	d.all.Add(1)
	return h, ctx, nil
}

// try runs a test to its end, and journals how a gate's ended.
func (d *deviceTests) try(ctx context.Context, h *heldTest, req devices.TryRequest) {
	last, ok, err := d.st.devices.Try(ctx, h.Device, req, func(s devices.TryStep) {
		d.mu.Lock()
		defer d.mu.Unlock()
		h.Steps, h.Code = append(h.Steps, DeviceTestStep{s, time.Now().UnixMilli()}), s.Code
		h.tell()
	})
	if err == nil && req.Open {
		if err := d.record(context.WithoutCancel(ctx), h.Device, h.By, "gate_test_"+last.Code); err != nil {
			d.st.log.Error("outcome of a gate's test not recorded", "device", h.Device, "error", err)
		}
	}
	d.st.log.Info("device tested", "device", h.Device, "outcome", last.Code, "ok", ok)
	d.end(h, ok && err == nil)
}

func (d *deviceTests) end(h *heldTest, ok bool) {
	d.mu.Lock()
	h.Done, h.OK = true, ok
	h.tell()
	d.mu.Unlock()
	h.cancel()
	d.all.Done()
}

// tell is called under mu.
func (h *heldTest) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (d *deviceTests) snapshot(h *heldTest) DeviceTest {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := h.DeviceTest
	t.Steps = append([]DeviceTestStep{}, t.Steps...)
	return t
}

// Test implements lanapi.DeviceTests.
func (d *deviceTests) Test(ctx context.Context, name string, since int) (any, bool) {
	for {
		d.mu.Lock()
		h := d.tests[name]
		if h == nil {
			d.mu.Unlock()
			return nil, false
		}
		news, changed := h.Done || len(h.Steps) > since, h.changed
		d.mu.Unlock()
		if !news {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
			}
		}
		return d.snapshot(h), true
	}
}

// Cancel implements lanapi.DeviceTests.
func (d *deviceTests) Cancel(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.tests[name]
	if h == nil || h.Done {
		return false
	}
	h.cancel()
	return true
}

// laneOfGate finds the lane that a gate belongs to; nil for none.
func (s *Station) laneOfGate(name string) *laneUnit {
	for _, u := range s.lanes {
		if u.cfg.Gate == name {
			return u
		}
	}
	return nil
}

// busy reports whether somebody is on the way through the lane's gate. One who comes later finds the gate busy with
// the test: the lane shows a gate fault and gives the entry back.
func (u *laneUnit) busy() bool {
	if u == nil {
		return false
	}
	last, _ := u.last()
	return last.Passage == lane.PassageWaiting || last.Passage == lane.PassageSettling
}

func (u *laneUnit) direction() drivers.Direction {
	if u != nil && u.cfg.Exit {
		return drivers.Exit
	}
	return drivers.Entry
}

// TryPort tests a device that no station runs: it opens the port itself, which fails where a station has it open.
// device is one device as in station.json. tell is called for each step, the outcome last.
func TryPort(ctx context.Context, device json.RawMessage, open, print bool, log *slog.Logger, tell func(DeviceTestStep)) (ok bool, err error) {
	var cfg devices.Config
	if err := json.Unmarshal(device, &cfg); err != nil {
		return false, fmt.Errorf("设备写法有误 (device): %w", err)
	}
	set, err := devices.New([]devices.Config{cfg}, nil, log)
	if err != nil {
		return false, fmt.Errorf("设备配置有误 (devices): %w", err)
	}
	family, _ := set.Family(cfg.Name)
	if open && family != devices.FamilyGate || print && family != devices.FamilyPrinter {
		return false, errors.New("--open 只用于闸机，--print 只用于打印机 (--open is for gates, --print for printers)")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // a cancelled test still takes its permit back
	done := make(chan error, 1)
	go func() { done <- set.Run(running) }()
	_, ok, err = set.Try(ctx, cfg.Name, devices.TryRequest{Open: open, Print: print}, func(s devices.TryStep) {
		tell(DeviceTestStep{s, time.Now().UnixMilli()})
	})
	stop()
	return ok, errors.Join(err, <-done)
}
