package devices_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/idreader"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/rfid"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/scannerline"
	"yipiao/firmware-sim/tape"
)

// status waits for a state of the bay's device.
func (b *bay) status(what string, fits func(devices.Status) bool) devices.Status {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		st, _ := b.set.Status("device-1")
		if fits(st) {
			return st
		}
		if time.Now().After(end) {
			b.t.Fatalf("waited too long until it is %s: %+v", what, st)
		}
	}
}

func well(st devices.Status) bool { return st.State == drivers.StateOK }

// TestReplugIsPickedUpWithinASecond: one of each family; the scanner and the gate have their own tests.
func TestReplugIsPickedUpWithinASecond(t *testing.T) {
	id, err := idreader.New(idreader.Settings{ReadMs: 50}, tape.Recorder{})
	must(t, err)
	chip, err := rfid.New(rfid.Settings{Protocol: rfid.A0}, tape.Recorder{})
	must(t, err)
	head, err := scannerline.New(scannerline.Settings{Dialect: scannerline.Honeywell}, tape.Recorder{})
	must(t, err)
	paper, err := printer.New(printer.Settings{Model: printer.ESCPOS}, tape.Recorder{})
	must(t, err)
	for _, c := range []struct {
		kind string
		sim  board.Device
	}{{"sdt", id}, {"uhfa0", chip}, {"honeywell", head}, {"escpos", paper}} {
		t.Run(c.kind, func(t *testing.T) {
			b := newBay(t, c.kind, "", c.sim)
			if c.kind == "escpos" {
				b.background(paper.Run)
			}
			b.status("well", well)
			b.plug.Unplug()
			b.status("waiting longest", func(st devices.Status) bool { return st.Note == "not plugged in" })
			b.plug.Replug()
			replugged := time.Now()
			st := b.status("well again", well)
			if took := st.Since.Sub(replugged); took > pickedUpWithin || st.Opens < 2 {
				t.Errorf("picked up after %v, opened %d times", took, st.Opens)
			}
		})
	}
}

// TestSameNameAnotherNode: what comes back as ttyUSB1 is found by the link that udev keeps, within a second.
func TestSameNameAnotherNode(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "by-id")
	plugIn := func(node string) (*scanner.Scanner, *board.Board) {
		t.Helper()
		sim, err := scanner.New(scanner.Settings{}, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		p := board.New(filepath.Join(dir, node), 0, tape.Recorder{})
		(&bay{t: t}).background(func(ctx context.Context) error { return p.Run(ctx, sim) })
		return sim, p
	}
	_, first := plugIn("ttyUSB0")
	if err := os.Symlink("ttyUSB0", link); err != nil {
		t.Fatal(err)
	}
	set, err := devices.New([]devices.Config{
		{Name: "device-1", Kind: "linescan", Port: devices.Port{Line: serialport.Config{Path: link}}},
	}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b := &bay{t: t, set: set}
	scans := make(chan drivers.Scan, 10)
	sc, err := set.Scanner("device-1")
	must(t, err)
	sc.Subscribe(func(s drivers.Scan) { scans <- s })
	b.background(set.Run)
	b.status("well", well)
	first.Unplug()
	must(t, os.Remove(link))
	b.status("waiting longest", func(st devices.Status) bool { return st.Note == "not plugged in" })
	again, _ := plugIn("ttyUSB1")
	must(t, os.Symlink("ttyUSB1", link))
	replugged := time.Now()
	st := b.status("well again", well)
	if took := st.Since.Sub(replugged); took > pickedUpWithin {
		t.Errorf("picked up after %v", took)
	}
	must(t, again.Scan(t.Context(), "AFTER"))
	if s := next(t, scans); string(s.Data) != "AFTER" {
		t.Errorf("%q", s.Data)
	}
}
