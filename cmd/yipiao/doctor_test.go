package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/drivers/port/plug"
	"yipiao/drivers/port/plug/plugtest"
)

// A ward is a doctor for a machine made up, and what it says.
type ward struct {
	doctor
	out, errs lockedText
}

// lockedText can be read while it is written.
type lockedText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newWard is for a machine with a configuration, if that is not "".
func newWard(t *testing.T, m *plugtest.Machine, config string) (w *ward, args []string) {
	t.Helper()
	w = &ward{}
	dir := t.TempDir()
	w.doctor = doctor{
		tool: &tool{out: &w.out, errs: &w.errs, dir: dir}, tree: plug.Tree{Root: m.Root, Access: func(string, bool) error { return nil }},
		confirm: func(string) bool { return false },
	}
	args = []string{"devices", "--dir", dir}
	if config != "" {
		path := filepath.Join(dir, "station.json")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	return w, args
}

func everything(t *testing.T) *plugtest.Machine {
	t.Helper()
	m := plugtest.New(t)
	for _, d := range []plugtest.Device{
		plugtest.CH340("1-1.1", 3, "ttyUSB0"), plugtest.CH340("1-1.2", 4, "ttyUSB1"), plugtest.FTDI("1-2", 5, "ttyUSB2", "A5"),
		plugtest.Honeywell("1-3", 6), plugtest.Wedge("1-4", 7, "event5"), plugtest.Keys("1-5", 8, "event6"), plugtest.Epson("1-6", 9, "lp1"),
	} {
		m.Plug(d)
	}
	m.Board("ttyS0", "4")
	return m
}

const stationJSON = `{"data":"data","listen":{"lan":"127.0.0.1:1"},"devices":[
	{"name":"scanner-1","kind":"linescan","port":{"path":"/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.1:1.0-port0"}},
	{"name":"printer-1","kind":"escpos","port":{"type":"lp","usb":"1-6:1.0"}},
	{"name":"gate-1","kind":"lotgate","port":{"path":"/dev/serial/by-id/usb-unplugged"}},
	{"name":"printer-2","kind":"zpl","port":{"type":"tcp","address":"10.0.0.9:9100"}}]}`

// TestDoctorTable compares what people read with testdata/doctor-*.txt; UPDATE=1 writes them.
func TestDoctorTable(t *testing.T) {
	for name, c := range map[string]struct {
		machine func(t *testing.T) *plugtest.Machine
		config  string
		spoil   func(w *ward)
		fails   string
	}{
		"everything":    {everything, stationJSON, nil, "1 处"},
		"unconfigured":  {everything, "", nil, ""},
		"empty":         {func(t *testing.T) *plugtest.Machine { return plugtest.New(t) }, "", nil, ""},
		"no-permission": {everything, "", func(w *ward) { w.tree.Access = func(string, bool) error { return fs.ErrPermission } }, "7 处"},
		"bad-config":    {everything, `{"data":"data","devices":[{"name":"a","kind":"nonsense","port":{"path":"/dev/ttyUSB0"}}]}`, nil, "1 处"},
	} {
		t.Run(name, func(t *testing.T) {
			w, args := newWard(t, c.machine(t), c.config)
			if c.spoil != nil {
				c.spoil(w)
			}
			err := w.run(t.Context(), args)
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v, want %q", err, c.fails)
			}
			golden(t, name, steady(w, w.out.String()))
		})
	}
}

// steady takes out what differs from machine to machine.
func steady(w *ward, text string) string {
	text = strings.ReplaceAll(text, w.dir, "DIR")
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if before, after, found := strings.Cut(l, "usermod -aG yipiao "); found {
			_, after, _ = strings.Cut(after, " ")
			l = before + "usermod -aG yipiao USER " + after
		}
		if before, _, found := strings.Cut(l, "states are unknown): "); found {
			l = before + "states are unknown): …"
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "doctor-"+name+".txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestDoctorJSON: programs find these keys.
func TestDoctorJSON(t *testing.T) {
	w, args := newWard(t, everything(t), stationJSON)
	if err := w.run(t.Context(), append(args, "--json")); err == nil {
		t.Error("a device is missing and nothing is wrong")
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(w.out.String()), &out); err != nil {
		t.Fatal(err)
	}
	got := keys("", out)
	slices.Sort(got)
	golden(t, "json-keys", strings.Join(slices.Compact(got), "\n")+"\n")
}

// keys are the paths of all keys of a value.
func keys(at string, v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			all = append(append(all, at+"."+k), keys(at+"."+k, inner)...)
		}
	case []any:
		for _, inner := range v {
			all = append(all, keys(at+"[]", inner)...)
		}
	}
	return all
}

// TestDoctorWatch tells a plug and an unplug, for people and for programs.
func TestDoctorWatch(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		t.Run(fmt.Sprint("json ", asJSON), func(t *testing.T) {
			m := plugtest.New(t)
			w, args := newWard(t, m, "")
			args = append(args, "--watch")
			plugged, unplugged := "插上 plugged in：HID 1-1:1.0", "拔掉 unplugged：HID 1-1:1.0"
			if asJSON {
				args, plugged, unplugged = append(args, "--json"), `"change":"plugged"`, `"change":"unplugged"`
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.run(ctx, args) }()
			until := func(said string) {
				t.Helper()
				for end := time.Now().Add(20 * time.Second); !strings.Contains(w.out.String(), said); <-time.After(5 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("never said %q:\n%s", said, w.out.String())
					}
				}
			}
			m.Plug(plugtest.Honeywell("1-1", 2))
			until(plugged)
			m.Unplug(plugtest.Honeywell("1-1", 2))
			until(unplugged)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDoctorUsage: what does not belong together is refused before anything is opened.
func TestDoctorUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"tickets"}, {"devices", "x"}, {"devices", "--open"}, {"devices", "--print"}, {"devices", "--port", "/dev/null"},
		{"devices", "--kind", "linescan"}, {"devices", "--watch", "--test", "a"}, {"devices", "--nonsense"},
	} {
		w, _ := newWard(t, plugtest.New(t), "")
		if err := w.run(t.Context(), args); !errors.Is(err, errUsage) || w.errs.String() == "" {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestDoctorAsksBeforeAGateOpens.
func TestDoctorAsksBeforeAGateOpens(t *testing.T) {
	w, args := newWard(t, plugtest.New(t), "")
	err := w.run(t.Context(), append(args, "--port", "/dev/null", "--kind", "lotgate", "--open"))
	if err == nil || !strings.Contains(err.Error(), "没有放行") {
		t.Error(err)
	}
}

// TestPortDevice: a port as people write it.
func TestPortDevice(t *testing.T) {
	for _, c := range []struct{ port, kind, want string }{
		{"/dev/ttyUSB0", "linescan", `{"path":"/dev/ttyUSB0"}`},
		{"1-1.2:1.0", "hidpos", `{"path":"1-1.2:1.0","type":"hid"}`},
		{"1-1.2:1.0", "escpos", `{"type":"lp","usb":"1-1.2:1.0"}`},
		{"/dev/usb/lp0", "escpos", `{"path":"/dev/usb/lp0","type":"lp"}`},
		{"/dev/input/event5", "wedge", `{"path":"/dev/input/event5","type":"evdev"}`},
		{"10.0.0.9:9100", "zpl", `{"address":"10.0.0.9:9100","type":"tcp"}`},
		{`{"type":"hid","vendor":"0c2e","product":"0b61"}`, "hidpos", `{"product":"0b61","type":"hid","vendor":"0c2e"}`},
		{"/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0", "sdt", `{"path":"/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0"}`},
	} {
		raw, err := portDevice(&doctorFlags{port: c.port, kind: c.kind})
		var got struct{ Port json.RawMessage }
		if err == nil {
			err = json.Unmarshal(raw, &got)
		}
		if err != nil || string(got.Port) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.port, got.Port, err, c.want)
		}
	}
}
