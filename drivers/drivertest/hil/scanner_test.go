package hil

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/hidpos"
	"yipiao/drivers/port/hidport"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scannerhid"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/usbip"
)

// long is a code of 200 bytes: four reports.
var long = strings.Repeat("T1:7F3A-TICKET-0001-", 10)

func newHID() (drivers.Device, error) {
	return hidpos.Kind().New(json.RawMessage(`{"honeywell":true,"gap_ms":5000}`))
}

func hidFirmware(t *testing.T, mode scanhead.Mode) *scannerhid.Scanner {
	t.Helper()
	sim, err := scannerhid.New(scannerhid.Settings{Honeywell: true, Mode: mode}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// made is a driver.
func made(t *testing.T, build func() (drivers.Device, error)) drivers.Device {
	t.Helper()
	dev, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

// scan shows a code to a scanner as soon as it is at work.
func scan(ctx context.Context, sim interface {
	Scan(ctx context.Context, code string) error
}, code string) error {
	return told(func() error { return sim.Scan(ctx, code) })
}

func isScan(code string) func(drivers.Event) bool {
	return func(e drivers.Event) bool {
		s, ok := e.(drivers.Scan)
		return ok && s.Fault == drivers.ScanOK && string(s.Data) == code
	}
}

// hidChecks are what a HID scanner must do besides, over either bus.
func hidChecks(t *testing.T, r *rig) {
	t.Run("LongCodes", func(t *testing.T) {
		sim := hidFirmware(t, "")
		s := r.run(t, made(t, newHID), sim)
		sim.SetGap(15 * time.Millisecond)
		for i := range 16 { // 64 reports, and nobody is waited for: the library alone would keep 30
			if err := scan(t.Context(), sim, fmt.Sprintf("%s%02d", long[2:], i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 16 {
			s.scan(fmt.Sprintf("%s%02d", long[2:], i))
		}
	})
	t.Run("TriggerAndBeep", func(t *testing.T) { triggerAndBeep(t, r) })
	t.Run("OnlyOneMayOpenIt", func(t *testing.T) {
		r.run(t, made(t, newHID), hidFirmware(t, ""))
		r.busy(t)
	})
	t.Run("UnplugInMidCode", func(t *testing.T) {
		sim := hidFirmware(t, "")
		s := r.run(t, made(t, newHID), sim)
		if err := told(func() error {
			sim.BreakOff(2)
			return sim.Scan(t.Context(), long)
		}); err != nil {
			t.Fatal(err)
		}
		r.pull()
		s.gone()
		sim = hidFirmware(t, "")
		s = r.run(t, made(t, newHID), sim)
		if err := scan(t.Context(), sim, long); err != nil {
			t.Fatal(err)
		}
		s.scan(long)
	})
}

func triggerAndBeep(t *testing.T, r *rig) {
	sim := hidFirmware(t, scanhead.Triggered)
	dev := made(t, newHID)
	s := r.run(t, dev, sim)
	if err := scan(t.Context(), sim, "T1:SHOWN"); err != nil { // waits for the trigger
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := dev.(drivers.Trigger).Trigger(ctx, true); err != nil {
		t.Fatalf("Trigger: %v", err)
	}
	s.scan("T1:SHOWN")
	if err := dev.(drivers.Beeper).Beep(ctx, true); err != nil {
		t.Fatalf("Beep: %v", err)
	}
	await(t, "the beep", func() error {
		if n := len(sim.State().Head.Beeps); n != 1 {
			return fmt.Errorf("%d beeps", n)
		}
		return nil
	})
}

func testVirtualHID(t *testing.T) {
	t.Parallel()
	v := &virtual{model: usbip.Scanner("SCN0001"), hub: hubHID}
	r := virtualHID(t, v, hidport.Config{Path: v.path()})
	drivertest.Device(t, drivertest.Bench{
		New: newHID, Real: true,
		Plug: func(ctx context.Context) drivertest.Line {
			sim := hidFirmware(t, "")
			return drivertest.Line{
				Host: r.line(ctx, sim), Raw: r.garbage, Pull: r.pull,
				Provoke: func() { _ = scan(ctx, sim, long) }, Provoked: isScan(long),
			}
		},
	})
	hidChecks(t, r)
	t.Run("ListedWithItsStringsAndUsage", func(t *testing.T) {
		r.plug()
		var seen hidport.Info
		await(t, "the list to have it", func() error {
			all, err := hidport.List()
			for _, i := range all {
				if i.Path == v.path() && i.UsagePage != 0 {
					seen = i
					return nil
				}
			}
			return fmt.Errorf("%+v, %w", all, err)
		})
		want := hidport.Info{
			Path: v.path(), Vendor: "1209", Product: "0001", Serial: "SCN0001", Manufacturer: "Yipiao",
			Name: "HID-POS Scanner", UsagePage: 0x8C, Usage: 2,
		}
		if seen != want {
			t.Errorf("%+v, want %+v", seen, want)
		}
	})
	t.Run("FoundAgainInAnotherSocket", func(t *testing.T) {
		r.close()
		moved := &virtual{model: v.model, hub: hubHID}
		r := virtualHID(t, moved, hidport.Config{Vendor: "1209", Product: "0001", Serial: "SCN0001"})
		for moved.socket = range 2 {
			sim := hidFirmware(t, "")
			s := r.run(t, made(t, newHID), sim)
			if err := scan(t.Context(), sim, long); err != nil {
				t.Fatal(err)
			}
			s.scan(long)
			r.pull()
			s.gone()
		}
	})
}

func testGadgetHID(t *testing.T) {
	t.Parallel()
	hidChecks(t, gadgetHID(t))
}
