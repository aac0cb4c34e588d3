package plug_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"yipiao/drivers/port/plug"
	"yipiao/drivers/port/plug/plugtest"
)

// TestWatch: what is plugged in at the start, a replug under another node, and an unplug are told, each once.
func TestWatch(t *testing.T) {
	m := plugtest.New(t)
	m.Plug(plugtest.Honeywell("1-1", 2))
	ctx, cancel := context.WithCancel(t.Context())
	events, done := make(chan plug.Event, 100), make(chan error, 1)
	go func() {
		done <- plug.Tree{Root: m.Root}.Watch(ctx, 2*time.Millisecond, func(all []plug.Event) {
			for _, e := range all {
				events <- e
			}
		})
	}()
	// until waits for a change of the thing at a node. A tree is not made at once: what is half there may come and change.
	until := func(change plug.Change, node string) plug.Event {
		t.Helper()
		timeout := time.After(10 * time.Second)
		for {
			select {
			case e := <-events:
				if e.Change == change && e.Item.Node == node || e.Change == plug.Changed && change == plug.Plugged && e.Item.Node == node {
					return e
				}
			case <-timeout:
				t.Fatalf("%s was not %s", node, change)
			}
		}
	}
	until(plug.Plugged, "/dev/bus/usb/001/002")
	first := plugtest.FTDI("1-2", 3, "ttyUSB0", "A5")
	m.Plug(first)
	until(plug.Plugged, "/dev/ttyUSB0")
	m.Unplug(first)
	until(plug.Unplugged, "/dev/ttyUSB0")
	m.Plug(plugtest.FTDI("1-2", 4, "ttyUSB1", "A5"))
	const link = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A5-if00-port0"
	for e := until(plug.Plugged, "/dev/ttyUSB1"); e.Item.Name != link; {
		e = until(plug.Changed, "/dev/ttyUSB1") // udev comes a little later
		if !slices.Contains(e.Item.Names, "/dev/ttyUSB1") {
			t.Errorf("%q", e.Item.Names)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
