package devices

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"yipiao/drivers"
)

// A TryRequest says what a test may do. The zero value only looks and listens.
type TryRequest struct {
	Open      bool              // a gate: let one person through
	Direction drivers.Direction // of that person; 0 is Entry
	Print     bool              // a printer: print a test page
	Title     string            // what stands on the test page, such as the station's number
	Wait      time.Duration     // how long to wait for a code, card or tag; 0 is TryWait
}

// Times of a test.
const (
	TryWait     = 20 * time.Second // for a code, card or tag
	tryReady    = 4 * time.Second  // for a device that is not ready yet
	tryCommand  = 3 * time.Second  // for one command
	tryPermit   = 10 * time.Second // how long a gate waits for the person
	tryPassing  = 15 * time.Second // and how long the person may take, after that
	tryPrinting = 60 * time.Second
)

// tryPermits numbers the permits of tests. A lane counts its own from 1, so that neither can take the other's.
var tryPermits atomic.Uint64

const firstTryPermit = 1 << 63

// A TryStep is one thing that a test tells. Code is stable; Text says it to people, Chinese first; Values hold numbers
// and words, personal data masked.
type TryStep struct {
	Code   string            `json:"code"`
	Text   string            `json:"text"`
	Values map[string]string `json:"values,omitempty"`
}

// ErrNoDevice is returned for a name that is not configured.
var ErrNoDevice = errors.New("devices: no such device is configured")

// Family says what a test of a device is about; ok is false for a name that is not configured.
func (s *Set) Family(name string) (f Family, ok bool) {
	u, ok := s.byName[name]
	if !ok {
		return "", false
	}
	return u.family(), true
}

// A Family is a sort of device.
type Family string

// Families.
const (
	FamilyGate    Family = "gate"
	FamilyPrinter Family = "printer"
	FamilyScanner Family = "scanner"
	FamilyReader  Family = "reader" // of documents or chips
)

func (u *unit) family() Family {
	if _, ok := u.dev.(drivers.Gate); ok {
		return FamilyGate
	}
	if _, ok := u.dev.(drivers.Printer); ok {
		return FamilyPrinter
	}
	if u.kind.Scans {
		return FamilyScanner
	}
	return FamilyReader
}

// Try tests a device while it works: what it reads, a lane hears as well. tell is called for each step on this
// goroutine; the last step, which is told too, is the outcome, and ok says whether the device does what it should.
// It returns ErrNoDevice, and otherwise ends with a step whatever happens.
func (s *Set) Try(ctx context.Context, name string, req TryRequest, tell func(TryStep)) (last TryStep, ok bool, err error) {
	u, known := s.byName[name]
	if !known {
		return last, false, ErrNoDevice
	}
	if req.Wait == 0 {
		req.Wait = TryWait
	}
	if req.Direction == 0 {
		req.Direction = drivers.Entry
	}
	t := &trial{u: u, req: req, events: make(chan any, 256)}
	t.tell = func(code string, values map[string]string) {
		last = TryStep{Code: code, Text: sayTry(code), Values: values}
		tell(last)
	}
	defer u.subscribe(func(e any) {
		select {
		case t.events <- e:
		default: // somebody reads a whole box of tickets: one of them is enough
		}
	})()
	if !t.ready(ctx) {
		return last, false, nil
	}
	switch u.family() {
	case FamilyGate:
		ok = t.gate(ctx)
	case FamilyPrinter:
		ok = t.printer(ctx)
	case FamilyScanner, FamilyReader:
		ok = t.reader(ctx)
	}
	return last, ok, nil
}

// A trial is one test at work.
type trial struct {
	u      *unit
	req    TryRequest
	tell   func(code string, values map[string]string)
	events chan any
}

// ready waits until the device can be used, or tells why it cannot.
func (t *trial) ready(ctx context.Context) bool {
	limit := time.NewTimer(tryReady)
	defer limit.Stop()
	st := t.u.snapshot()
	for st.State == drivers.StateLost {
		select {
		case e := <-t.events:
			if now, ok := e.(Status); ok {
				st = now
			}
			continue
		case <-ctx.Done():
			t.tell("cancelled", nil)
		case <-limit.C:
			t.tell("device_lost", noted(st))
		}
		return false
	}
	t.tell("device_state", noted(st))
	return true
}

// noted is what a status says, for people.
func noted(st Status) map[string]string {
	v := map[string]string{
		"state": string(st.State), "port": st.Port,
		"frames": strconv.FormatUint(st.Frames, 10), "errors": strconv.FormatUint(st.Errors, 10),
	}
	for key, value := range map[string]string{"note": st.Note, "firmware": st.Firmware, "serial": st.Serial} {
		if value != "" {
			v[key] = value
		}
	}
	return v
}

// next is the next event of the device, or the step with which the test ends: its code is "" while it goes on.
func (t *trial) next(ctx context.Context, limit <-chan time.Time, late string) (event any, end string) {
	select {
	case e := <-t.events:
		if st, ok := e.(Status); ok && st.State == drivers.StateLost {
			return nil, "device_lost"
		}
		return e, ""
	case <-limit:
		return nil, late
	case <-ctx.Done():
		return nil, "cancelled"
	}
}

// reader waits for a code, a document or a chip, whichever the device reads.
func (t *trial) reader(ctx context.Context) bool {
	trigger, _ := t.u.dev.(drivers.Trigger)
	if trigger != nil {
		t.command(ctx, "trigger_on", func(ctx context.Context) error { return trigger.Trigger(ctx, true) })
		defer func() { t.off(ctx, trigger) }()
	}
	waiting := "waiting_card"
	if t.u.family() == FamilyScanner {
		waiting = "waiting_code"
	}
	t.tell(waiting, map[string]string{"seconds": strconv.Itoa(int(t.req.Wait / time.Second))})
	limit := time.NewTimer(t.req.Wait)
	defer limit.Stop()
	for {
		e, end := t.next(ctx, limit.C, "nothing_came")
		if end != "" {
			t.tell(end, nil)
			return false
		}
		if code, values, read := t.heard(e); read {
			if beeper, ok := t.u.dev.(drivers.Beeper); ok {
				t.command(ctx, "beep", func(ctx context.Context) error { return beeper.Beep(ctx, true) })
			}
			t.tell(code, values)
			return true
		}
	}
}

// off ends reading, also after the test was cancelled. Nothing is told: the outcome stands.
func (t *trial) off(ctx context.Context, trigger drivers.Trigger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryCommand)
	defer cancel()
	if err := trigger.Trigger(ctx, false); err != nil {
		t.u.log.Debug("trigger not released after a test", "error", err)
	}
}

// command gives a command that is not what the test is about, and tells how it went.
func (t *trial) command(ctx context.Context, code string, do func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, tryCommand)
	defer cancel()
	if err := do(ctx); err != nil {
		t.tell(code+"_failed", map[string]string{"error": err.Error()})
		return
	}
	t.tell(code, nil)
}

// heard turns an event into an outcome, or tells a fault and lets the test go on.
func (t *trial) heard(e any) (code string, values map[string]string, read bool) {
	switch e := e.(type) {
	case drivers.Scan:
		values = map[string]string{"bytes": strconv.Itoa(e.Bytes), "length": strconv.Itoa(len(e.Data)), "begins": maskCode(e.Data)}
		if e.AIM != "" {
			values["aim"] = e.AIM
		}
		if e.Fault == drivers.ScanOK {
			return "code_read", values, true
		}
		t.tell("code_fault", map[string]string{"fault": string(e.Fault), "bytes": strconv.Itoa(e.Bytes)})
	case drivers.Document:
		return "card_read", map[string]string{"kind": string(e.Kind), "number": maskNumber(e.Number), "name": maskName(e.Name)}, true
	case drivers.DocumentFault:
		t.tell("card_fault", map[string]string{"fault": e.Code})
	case drivers.Tag:
		values = map[string]string{"tech": string(e.Tech), "id": maskID(e.ID), "bytes": strconv.Itoa(len(e.ID))}
		if e.Antenna != 0 {
			values["antenna"] = strconv.Itoa(e.Antenna)
		}
		if e.RSSI != 0 {
			values["rssi_dbm"] = strconv.Itoa(e.RSSI)
		}
		return "tag_read", values, true
	}
	return "", nil, false
}
