package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"yipiao/edge"
)

// errTest ends a test that did not go well; its outcome was printed.
var errTest = errors.New("测试未通过 (the test did not pass)")

// ask asks the person at the terminal; anything but y is no.
func (t *tool) ask(question string) bool {
	_, _ = fmt.Fprintf(t.errs, "%s [y/N] ", question)
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(line), "y")
}

// sure asks before a gate opens.
func (d *doctor) sure(f *doctorFlags, gate string) error {
	if !f.open || f.yes || d.confirm("现在让一人通过 "+gate+"，并记入操作记录，确认吗？(let one person through now? it is recorded)") {
		return nil
	}
	return errors.New("没有确认，没有放行 (not confirmed, nothing was opened)")
}

// testAtStation has the running station test a device that it has open.
func (d *doctor) testAtStation(ctx context.Context, f *doctorFlags) error {
	a, err := d.loggedIn(ctx, d.config, d.account)
	if err != nil {
		return err
	}
	if err := d.sure(f, f.test); err != nil {
		return err
	}
	path := "/api/v1/devices/" + url.PathEscape(f.test) + "/test"
	var test edge.DeviceTest
	if err := a.call(ctx, http.MethodPost, path, map[string]bool{"open": f.open, "print": f.print}, &test); err != nil {
		return err
	}
	id, shown := test.ID, 0
	for {
		for ; shown < len(test.Steps) && !d.json; shown++ {
			d.showStep(test.Steps[shown])
		}
		if test.Done {
			return d.ended(&test)
		}
		next := edge.DeviceTest{}
		err := a.get(ctx, fmt.Sprintf("%s?since=%d&wait_ms=10000", path, len(test.Steps)), &next)
		switch {
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), cancelTest(ctx, a, path))
		case err != nil:
			return err
		case next.ID != id:
			return errors.New("测试被另一次测试代替 (another test has begun)")
		}
		test = next
	}
}

// cancelTest takes a test back after Ctrl-C.
func cancelTest(ctx context.Context, a *api, path string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var out struct{}
	return a.call(ctx, http.MethodDelete, path, nil, &out)
}

func (d *doctor) ended(test *edge.DeviceTest) error {
	if d.json {
		text, err := json.MarshalIndent(test, "", "  ")
		if err != nil {
			return err
		}
		d.printf("%s\n", text)
	}
	if !test.OK {
		return fmt.Errorf("%w: %s", errTest, test.Code)
	}
	if !d.json {
		d.printf("通过 (passed)：%s\n", test.Device)
	}
	return nil
}

// testPort opens a port itself, unless it is one of a station that is running.
func (d *doctor) testPort(ctx context.Context, f *doctorFlags) error {
	device, err := portDevice(f)
	if err != nil {
		return err
	}
	if err := d.notTheStations(ctx, device); err != nil {
		return err
	}
	if err := d.sure(f, f.port); err != nil {
		return err
	}
	test := edge.DeviceTest{Device: f.port, Steps: []edge.DeviceTestStep{}, BegunMs: time.Now().UnixMilli()}
	test.OK, err = edge.TryPort(ctx, device, f.open, f.print, slog.New(slog.DiscardHandler), func(s edge.DeviceTestStep) {
		test.Steps, test.Code = append(test.Steps, s), s.Code
		if !d.json {
			d.showStep(s)
		}
	})
	if err != nil {
		return err
	}
	test.Done = true
	return d.ended(&test)
}

var usbPort = regexp.MustCompile(`^[0-9]+-[0-9]+(\.[0-9]+)*:[0-9]+\.[0-9]+$`)

// portDevice is a device as in station.json for a port as people write it.
func portDevice(f *doctorFlags) (json.RawMessage, error) {
	port := map[string]any{"path": f.port}
	switch {
	case strings.HasPrefix(f.port, "{"):
		port = nil
		if err := json.Unmarshal([]byte(f.port), &port); err != nil {
			return nil, fmt.Errorf("--port: %w", err)
		}
	case usbPort.MatchString(f.port) && f.kind == "hidpos":
		port["type"] = "hid"
	case usbPort.MatchString(f.port):
		port = map[string]any{"type": "lp", "usb": f.port}
	case strings.HasPrefix(f.port, "/dev/usb/lp"):
		port["type"] = "lp"
	case strings.HasPrefix(f.port, "/dev/input/"):
		port["type"] = "evdev"
	case strings.Contains(f.port, ":") && !strings.HasPrefix(f.port, "/"):
		port = map[string]any{"type": "tcp", "address": f.port}
	}
	if f.baud != 0 {
		port["baud"] = f.baud
	}
	device := map[string]any{"name": "test", "kind": f.kind, "port": port}
	if f.extra != "" {
		device["settings"] = json.RawMessage(f.extra)
	}
	return json.Marshal(device)
}

// notTheStations refuses a port that a device of a running station has, under whatever name. What cannot be told here
// the lock of the open port still refuses.
func (d *doctor) notTheStations(ctx context.Context, device json.RawMessage) error {
	cfg, err := d.configuration()
	if err != nil {
		return nil // no station is known here
	}
	name, err := edge.SamePort(d.tree, cfg, device)
	if err != nil || name == "" {
		return err
	}
	a, err := newAPI("驿站 (station)", cfg.Listen.LAN, "", filepath.Join(cfg.Data, "root.pem"))
	if err != nil {
		return nil // no station was ever made here
	}
	var out struct{}
	var answer *refusal
	if err := a.get(ctx, "/api/v1/hardware", &out); err != nil && !errors.As(err, &answer) {
		return nil // it does not run
	}
	return fmt.Errorf("驿站正在用这个端口，请用 --test %s (the station has this port open: use --test)", name)
}
