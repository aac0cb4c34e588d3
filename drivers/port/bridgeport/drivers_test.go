package bridgeport_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/escpos"
	"yipiao/drivers/face"
	"yipiao/drivers/face/sample"
	"yipiao/drivers/hidpos"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/scannerhid"
	"yipiao/firmware-sim/tape"
)

// drive runs a driver over a rig's port and returns its events and its end.
func drive(t *testing.T, r *rig, dev drivers.Device) (<-chan drivers.Event, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, ended := make(chan drivers.Event, 1000), make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- dev.Run(ctx, r.station, func(e drivers.Event) { events <- e }) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return events, ended
}

// until waits for an event that fits.
func until[E drivers.Event](t *testing.T, events <-chan drivers.Event, fits func(E) bool) E {
	t.Helper()
	bound := time.After(patience)
	for {
		select {
		case e := <-events:
			if e, ok := e.(E); ok && fits(e) {
				return e
			}
		case <-bound:
			var none E
			t.Fatalf("no %T that fits", none)
			return none
		}
	}
}

func TestAHIDScannerBehindABridge(t *testing.T) {
	sim, err := scannerhid.New(scannerhid.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	host, device := scannerhid.Pipe(port.ErrGone)
	r := connect(t, wiring{line: "hid", local: host, device: device})
	serve(t, func(ctx context.Context) { _ = sim.Serve(ctx, board.NewLine(device, 0)) })
	dev, err := hidpos.Kind().New(nil)
	if err != nil {
		t.Fatal(err)
	}
	events, ended := drive(t, r, dev)
	code := strings.Repeat("0123456789", 20) // four reports
	for err := sim.Scan(t.Context(), code); err != nil; err = sim.Scan(t.Context(), code) {
		if !errors.Is(err, board.ErrUnplugged) || t.Context().Err() != nil {
			t.Fatal(err)
		}
		runtime.Gosched() // it is still being plugged in
	}
	until(t, events, func(s drivers.Scan) bool { return string(s.Data) == code && s.Fault == drivers.ScanOK })
	_ = device.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, port.ErrGone) {
			t.Errorf("Run: %v, want port.ErrGone", err)
		}
	case <-time.After(patience):
		t.Fatal("the driver has not noticed that the scanner is unplugged")
	}
}

// serve runs a simulated device until the test ends.
func serve(t *testing.T, run func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// printing is an ESC/POS printer behind a bridge, with its driver.
func printing(t *testing.T, w wiring) (*rig, *printer.Printer, drivers.Printer, <-chan drivers.Event, <-chan error) {
	t.Helper()
	sim, err := printer.New(printer.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	host, device := board.Pipe(port.ErrGone)
	w.line, w.local, w.device = "lp", host, device
	r := connect(t, w)
	serve(t, func(ctx context.Context) { _ = sim.Run(ctx) })
	serve(t, func(ctx context.Context) { _ = sim.Serve(ctx, board.NewLine(device, 0)) })
	dev, err := escpos.Kind().New(json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	events, ended := drive(t, r, dev)
	until(t, events, func(s drivers.PrinterStatus) bool { return s.Online && s.Paper == drivers.LevelOK })
	return r, sim, dev.(drivers.Printer), events, ended
}

func page(t *testing.T) *face.Page {
	t.Helper()
	f, values, err := sample.Face("cinema")
	if err != nil {
		t.Fatal(err)
	}
	p, err := face.Layout(f, values)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestATicketIsPrintedBehindABridge(t *testing.T) {
	_, sim, pr, events, _ := printing(t, wiring{})
	proof, err := pr.Print(t.Context(), drivers.Job{Serial: "A0001", Page: page(t)})
	if proof != drivers.Printed || err != nil {
		t.Fatalf("Print: %v, %v", proof, err)
	}
	if n := len(sim.Tickets()); n != 1 || !sim.Tickets()[0].Cut {
		t.Errorf("%d tickets", n)
	}
	sim.SetPaper(false, true)
	until(t, events, func(s drivers.PrinterStatus) bool { return s.Paper == drivers.LevelOut })
}

// TestTheNetworkIsCutInMidJob: nobody can tell whether the ticket is out, so that it is uncertain.
func TestTheNetworkIsCutInMidJob(t *testing.T) {
	r, sim, pr, _, ended := printing(t, wiring{relay: true})
	sim.SetPaper(false, false)
	sim.PaperOutAfter(100) // it stops in the middle of the ticket and waits
	cut := time.AfterFunc(300*time.Millisecond, func() { _ = r.network.SetDelay(time.Minute) })
	defer cut.Stop()
	proof, err := pr.Print(t.Context(), drivers.Job{Serial: "A0001", Page: page(t)})
	if proof == drivers.Printed || err == nil {
		t.Errorf("Print: %v, %v", proof, err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, port.ErrGone) {
			t.Errorf("Run: %v, want port.ErrGone", err)
		}
	case <-time.After(patience):
		t.Fatal("the driver has not noticed that the network is cut")
	}
	if len(sim.Tickets()) != 0 {
		t.Error("a ticket came out")
	}
}
