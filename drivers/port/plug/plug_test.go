package plug_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/all"
	"yipiao/drivers/port/plug"
	"yipiao/drivers/port/plug/plugtest"
)

// A row is what must be seen of one thing.
type row struct {
	line     drivers.PortType
	name     string
	why      string // codes
	fault    string
	title    string // a part of the model's title; "" for no model
	note     string
	proposal string // "" for none
}

const usbPath = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:"

func TestList(t *testing.T) {
	cdc := plugtest.Device{
		Port: "1-2", Number: 4, Vendor: "05e0", Product: "1701", Manufacturer: "Symbol Technologies", Name: "Symbol Bar Code Scanner",
		Interfaces: []plugtest.Interface{{Class: "02", Sub: "02", Driver: "cdc_acm", TTY: "ttyACM0"}, {Class: "0a", Driver: "cdc_acm"}},
	}
	cdc.Serial = "17F3"
	cp := plugtest.Device{
		Port: "1-3", Number: 9, Vendor: "10c4", Product: "ea60", Manufacturer: "Silicon Labs", Name: "CP2102", Serial: "0001",
		Interfaces: []plugtest.Interface{{Class: "ff", Driver: "cp210x", TTY: "ttyUSB0"}},
	}
	cases := []struct {
		name  string
		plug  []plugtest.Device
		after func(*plugtest.Machine)
		want  []row
	}{
		{"nothing", nil, nil, nil},
		{"an adapter with a serial number", []plugtest.Device{plugtest.FTDI("1-1", 3, "ttyUSB0", "A50285BI")}, nil, []row{{
			"serial", "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0", "", "", "FT232", "choose_kind",
			`{"name":"device-1","kind":"","port":{"path":"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"}}`,
		}}},
		{"an adapter without one", []plugtest.Device{plugtest.CH340("1-1.2", 3, "ttyUSB0")}, nil, []row{{
			"serial", usbPath + "1.2:1.0-port0", "no_serial", "", "CH340", "choose_kind",
			`{"name":"device-1","kind":"","port":{"path":"` + usbPath + `1.2:1.0-port0"}}`,
		}}},
		{"two of them", []plugtest.Device{plugtest.CH340("1-1.2", 3, "ttyUSB0"), plugtest.CH340("1-1.3", 4, "ttyUSB1")}, nil, []row{
			{"serial", usbPath + "1.2:1.0-port0", "no_serial", "", "CH340", "choose_kind", `{"name":"device-1","kind":"","port":{"path":"` + usbPath + `1.2:1.0-port0"}}`},
			{"serial", usbPath + "1.3:1.0-port0", "no_serial", "", "CH340", "choose_kind", `{"name":"device-2","kind":"","port":{"path":"` + usbPath + `1.3:1.0-port0"}}`},
		}},
		{"two clones with one serial number", []plugtest.Device{plugtest.FTDI("1-1", 3, "ttyUSB0", "A1"), plugtest.FTDI("1-2", 4, "ttyUSB1", "A1")}, nil, []row{
			{"serial", usbPath + "1:1.0-port0", "same_serial", "", "FT232", "choose_kind", `{"name":"device-1","kind":"","port":{"path":"` + usbPath + `1:1.0-port0"}}`},
			{"serial", usbPath + "2:1.0-port0", "same_serial", "", "FT232", "choose_kind", `{"name":"device-2","kind":"","port":{"path":"` + usbPath + `2:1.0-port0"}}`},
		}},
		{"a serial number that all have", []plugtest.Device{cp}, nil, []row{{
			"serial", usbPath + "3:1.0-port0", "factory_serial", "", "CP210x", "choose_kind", `{"name":"device-1","kind":"","port":{"path":"` + usbPath + `3:1.0-port0"}}`,
		}}},
		{"a scanner as a serial port", []plugtest.Device{cdc}, nil, []row{{
			"serial", "/dev/serial/by-id/usb-Symbol_Technologies_Symbol_Bar_Code_Scanner_17F3-if00", "", "", "Zebra", "",
			`{"name":"scanner-1","kind":"linescan","port":{"path":"/dev/serial/by-id/usb-Symbol_Technologies_Symbol_Bar_Code_Scanner_17F3-if00","baud":9600}}`,
		}}},
		{"HID-POS", []plugtest.Device{plugtest.Honeywell("1-1.1", 5)}, nil, []row{{
			"hid", "1-1.1:1.0", "", "", "Vuquest 3310g", "", `{"name":"scanner-1","kind":"hidpos","port":{"type":"hid","path":"1-1.1:1.0"}}`,
		}}},
		{"HID-POS of a maker that nobody knows", []plugtest.Device{{Port: "1-1", Number: 2, Vendor: "ffee", Product: "0001", Interfaces: []plugtest.Interface{{Class: "03", Driver: "usbhid", Report: plugtest.HIDPOS}}}}, nil, []row{{
			"hid", "1-1:1.0", "", "", "HID-POS", "", `{"name":"scanner-1","kind":"hidpos","port":{"type":"hid","path":"1-1:1.0"}}`,
		}}},
		{"a scanner that the station has open", []plugtest.Device{{Port: "1-1", Number: 2, Vendor: "0c2e", Product: "0b61", Interfaces: []plugtest.Interface{{Class: "03", Driver: "usbfs", Report: plugtest.HIDPOS}}}}, nil, []row{{
			"hid", "1-1:1.0", "", "", "Honeywell", "", `{"name":"scanner-1","kind":"hidpos","port":{"type":"hid","path":"1-1:1.0"}}`,
		}}},
		{"a scanner in its maker's own mode", []plugtest.Device{{Port: "1-1", Number: 2, Vendor: "05e0", Product: "1900", Interfaces: []plugtest.Interface{{Class: "03", Driver: "usbhid", Report: plugtest.Vendor}}}}, nil, []row{{
			"hid", "1-1:1.0", "", "", "SNAPI", "set_hid_pos", "",
		}}},
		{"a wedge", []plugtest.Device{plugtest.Wedge("1-4", 6, "event7")}, nil, []row{{
			"evdev", "/dev/input/by-path/pci-0000:00:14.0-usb-0:4:1.0-event-kbd", "no_serial", "", "EM3080", "",
			`{"name":"scanner-1","kind":"wedge","port":{"type":"evdev","path":"/dev/input/by-path/pci-0000:00:14.0-usb-0:4:1.0-event-kbd"}}`,
		}}},
		{"a keyboard and a mouse", []plugtest.Device{
			plugtest.Keys("1-4", 6, "event7"),
			{Port: "1-5", Number: 7, Vendor: "046d", Product: "c077", Interfaces: []plugtest.Interface{{Class: "03", Driver: "usbhid", Report: plugtest.Mouse}}},
		}, nil, []row{{"evdev", "/dev/input/by-path/pci-0000:00:14.0-usb-0:4:1.0-event-kbd", "no_serial", "", "键盘", "maybe_keyboard", ""}}},
		{"a printer that became lp1", []plugtest.Device{plugtest.Epson("1-1.4", 8, "lp1")}, nil, []row{{
			"lp", "1-1.4:1.0", "", "", "TM-T20", "", `{"name":"printer-1","kind":"escpos","port":{"type":"lp","usb":"1-1.4:1.0"}}`,
		}}},
		{"a printer of a maker that nobody knows", []plugtest.Device{{Port: "1-1", Number: 2, Vendor: "ffee", Product: "1", Interfaces: []plugtest.Interface{{Class: "07", Driver: "usblp", LP: "lp0"}}}}, nil, []row{{
			"lp", "1-1:1.0", "", "", "USB 打印机", "check_language", `{"name":"printer-1","kind":"escpos","port":{"type":"lp","usb":"1-1:1.0"}}`,
		}}},
		{"without drivers", []plugtest.Device{
			{Port: "1-1", Number: 2, Vendor: "04b8", Product: "0e03", Interfaces: []plugtest.Interface{{Class: "07"}}},
			{Port: "1-2", Number: 3, Vendor: "1a86", Product: "7523", Interfaces: []plugtest.Interface{{Class: "ff", Driver: "usbfs"}}},
		}, nil, []row{
			{"lp", "1-1:1.0", "", "no_driver", "TM-T20", "", `{"name":"printer-1","kind":"escpos","port":{"type":"lp","usb":"1-1:1.0"}}`},
			{"serial", "1-2:1.0", "", "taken", "CH340", "choose_kind", ""},
		}},
		{"without udev", []plugtest.Device{plugtest.FTDI("1-1", 3, "ttyUSB0", "A5")}, (*plugtest.Machine).Forget, []row{{
			"serial", "/dev/ttyUSB0", "no_links", "", "FT232", "choose_kind", `{"name":"device-1","kind":"","port":{"path":"/dev/ttyUSB0"}}`,
		}}},
		{"on the board", nil, func(m *plugtest.Machine) {
			m.Board("ttyS0", "4")
			m.Board("ttyS1", "0")
			m.Terminal("tty1")
		}, []row{{"serial", "/dev/ttyS0", "on_board", "", "串口", "choose_kind", `{"name":"device-1","kind":"","port":{"path":"/dev/ttyS0"}}`}}},
		{"a hub with everything", hub(), nil, []row{
			{"evdev", "/dev/input/by-path/pci-0000:00:14.0-usb-0:1.4:1.0-event-kbd", "no_serial", "", "EM3080", "", `{"name":"scanner-1","kind":"wedge","port":{"type":"evdev","path":"/dev/input/by-path/pci-0000:00:14.0-usb-0:1.4:1.0-event-kbd"}}`},
			{"hid", "1-1.3:1.0", "", "", "Vuquest", "", `{"name":"scanner-2","kind":"hidpos","port":{"type":"hid","path":"1-1.3:1.0"}}`},
			{"lp", "1-1.5:1.0", "", "", "TM-T20", "", `{"name":"printer-1","kind":"escpos","port":{"type":"lp","usb":"1-1.5:1.0"}}`},
			{"serial", "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A5-if00-port0", "", "", "FT232", "choose_kind", `{"name":"device-1","kind":"","port":{"path":"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A5-if00-port0"}}`},
			{"serial", usbPath + "1.1:1.0-port0", "no_serial", "", "CH340", "choose_kind", `{"name":"device-2","kind":"","port":{"path":"` + usbPath + `1.1:1.0-port0"}}`},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := plugtest.New(t)
			for _, d := range c.plug {
				m.Plug(d)
			}
			if c.after != nil {
				c.after(m)
			}
			got, err := plug.Tree{Root: m.Root}.List()
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d things, want %d: %+v", len(got), len(c.want), got)
			}
			taken := make(map[string]bool)
			for i := range got {
				check(t, &got[i], &c.want[i], taken)
			}
		})
	}
}

func hub() []plugtest.Device {
	return []plugtest.Device{
		{Port: "1-1", Number: 2, Vendor: "05e3", Product: "0610", Name: "USB2.1 Hub", Interfaces: []plugtest.Interface{{Class: "09", Driver: "hub"}}},
		plugtest.CH340("1-1.1", 3, "ttyUSB0"), plugtest.FTDI("1-1.2", 4, "ttyUSB1", "A5"), plugtest.Honeywell("1-1.3", 5),
		plugtest.Wedge("1-1.4", 6, "event5"), plugtest.Epson("1-1.5", 7, "lp1"),
	}
}

func check(t *testing.T, got *plug.Item, want *row, taken map[string]bool) {
	t.Helper()
	if got.Line != want.line || got.Name != want.name || got.Why.Code != want.why || got.Fault.Code != want.fault {
		t.Errorf("%s %s why %q fault %q, want %+v", got.Line, got.Name, got.Why.Code, got.Fault.Code, want)
	}
	if !slices.Contains(got.Names, got.Name) || got.Node != "" && !slices.Contains(got.Names, got.Node) {
		t.Errorf("%s: names are %q", got.Name, got.Names)
	}
	if got.Model == nil {
		t.Fatalf("%s is not recognised", got.Name)
	}
	if !strings.Contains(got.Model.Title, want.title) || got.Model.Note.Code != want.note {
		t.Errorf("%s: %+v, want %q, note %q", got.Name, got.Model, want.title, want.note)
	}
	proposal := ""
	if p := got.Propose(taken); p != nil {
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		proposal = string(raw)
	}
	if proposal != want.proposal && (want.fault == "" || want.proposal != "") {
		t.Errorf("proposal is\n%s\nwant\n%s", proposal, want.proposal)
	}
}

// TestNoPermission: the node of a reader is only read, all others are written too.
func TestNoPermission(t *testing.T) {
	m := plugtest.New(t)
	for _, d := range hub() {
		m.Plug(d)
	}
	asked := make(map[string]bool)
	got, err := plug.Tree{Root: m.Root, Access: func(path string, write bool) error {
		rel, _ := filepath.Rel(m.Root, path)
		asked[rel] = write
		return fs.ErrPermission
	}}.List()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"dev/ttyUSB0": true, "dev/ttyUSB1": true, "dev/bus/usb/001/005": true, "dev/input/event5": false, "dev/usb/lp1": true}
	for node, write := range want {
		if w, ok := asked[node]; !ok || w != write {
			t.Errorf("%s: asked %v, to write %v", node, ok, w)
		}
	}
	for _, i := range got {
		if i.Fault != plug.NoPermission {
			t.Errorf("%s: %+v", i.Name, i.Fault)
		}
	}
}

// TestEveryNameLeadsBack: a thing is found under all of its names.
func TestEveryNameLeadsBack(t *testing.T) {
	m := plugtest.New(t)
	for _, d := range hub() {
		m.Plug(d)
	}
	got, err := plug.Tree{Root: m.Root}.List()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got, func(i plug.Item) bool { return i.Node == "/dev/ttyUSB1" })
	want := []string{
		"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A5-if00-port0", "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0-port0", "/dev/ttyUSB1",
	}
	if !slices.Equal(got[i].Names, want) {
		t.Errorf("%q", got[i].Names)
	}
	h := slices.IndexFunc(got, func(i plug.Item) bool { return i.Line == drivers.PortHID })
	if want := []string{"/dev/bus/usb/001/005", "0c2e:0b61 16159B0A7C", "1-1.3:1.0"}; !slices.Equal(got[h].Names, want) {
		t.Errorf("%q", got[h].Names)
	}
}

// TestProposalsTakeFreeNames and speak over the line that they are proposed for.
func TestProposalsTakeFreeNames(t *testing.T) {
	m := plugtest.New(t)
	for _, d := range hub() {
		m.Plug(d)
	}
	got, err := plug.Tree{Root: m.Root}.List()
	if err != nil {
		t.Fatal(err)
	}
	var reg drivers.Registry
	all.Register(&reg)
	taken := map[string]bool{"scanner-1": true, "device-2": true}
	var names []string
	for i := range got {
		for _, c := range got[i].Model.Kinds {
			if k, ok := reg.Kind(c.Kind); !ok || !k.Speaks(got[i].Line) {
				t.Errorf("%s is proposed for %s", c.Kind, got[i].Line)
			}
		}
		names = append(names, got[i].Propose(taken).Name)
	}
	if want := []string{"scanner-2", "scanner-3", "printer-1", "device-1", "device-3"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// TestThisMachine: whatever is plugged in here, reading it is no error.
func TestThisMachine(t *testing.T) {
	if _, err := (plug.Tree{}).List(); err != nil {
		t.Error(err)
	}
	if got, err := (plug.Tree{Root: filepath.Join(t.TempDir(), "nothing")}).List(); err != nil && !errors.Is(err, fs.ErrNotExist) || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
