package hidport

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/karalabe/hid"

	"yipiao/drivers/port"
)

// tree lays out /sys as the kernel does: two scanners of one model, one of them open and one with a keyboard
// interface besides, and a printer.
func tree(t *testing.T) system {
	t.Helper()
	dir := t.TempDir()
	put := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for device, serial := range map[string]string{"1-1.2": "S1\n", "1-1.3": "S2\n"} {
		put(device+"/idVendor", "0c2e\n")
		put(device+"/idProduct", "0b61\n")
		put(device+"/serial", serial)
		put(device+"/product", "HID-POS Scanner\n")
		put(device+"/busnum", "1\n")
		put(device+"/devnum", "7\n")
		put(device+":1.0/bInterfaceClass", "03\n")
	}
	put("1-1.3:1.0/0003:0C2E:0B61.0004/report_descriptor", "\x05\x8c\x09\x02\xa1\x01")
	put("1-1.3:1.1/bInterfaceClass", "03\n")
	put("1-1.3:1.1/0003:0C2E:0B61.0005/report_descriptor", "\x05\x01\x09\x06\xa1\x01")
	put("1-1.4:1.0/bInterfaceClass", "07\n")
	put("usb1/idVendor", "1d6b\n")
	if err := os.Symlink("../../../bus/usb/drivers/usbfs", filepath.Join(dir, "1-1.2:1.0/driver")); err != nil {
		t.Fatal(err)
	}
	return system{sys: dir, dev: filepath.Join(dir, "dev")}
}

func TestList(t *testing.T) {
	got, err := tree(t).list()
	if err != nil {
		t.Fatal(err)
	}
	want := []Info{
		{Path: "1-1.2:1.0", Vendor: "0c2e", Product: "0b61", Serial: "S1", Name: "HID-POS Scanner", InUse: true},
		{Path: "1-1.3:1.0", Vendor: "0c2e", Product: "0b61", Serial: "S2", Name: "HID-POS Scanner", UsagePage: 0x8C, Usage: 2},
		{Path: "1-1.3:1.1", Vendor: "0c2e", Product: "0b61", Serial: "S2", Name: "HID-POS Scanner", UsagePage: 1, Usage: 6},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got, err := (system{sys: filepath.Join(t.TempDir(), "none")}).list(); err != nil || len(got) != 0 {
		t.Errorf("without USB: %v, %v", got, err)
	}
	if _, err := List(); err != nil {
		t.Errorf("of this machine: %v", err)
	}
}

func TestFind(t *testing.T) {
	s := tree(t)
	if got, err := s.find(Config{Vendor: "0C2E", Product: "0B61", Serial: "S1"}); got != "1-1.2:1.0" || err != nil {
		t.Errorf("by serial: %q, %v", got, err)
	}
	if got, err := s.find(Config{Path: "1-1.3:1.1"}); got != "1-1.3:1.1" || err != nil {
		t.Errorf("by path: %q, %v", got, err)
	}
	_, err := s.find(Config{Vendor: "0c2e", Product: "0b61"})
	if err == nil || !strings.Contains(err.Error(), "1-1.2:1.0, 1-1.3:1.0, 1-1.3:1.1") {
		t.Errorf("of several: %v, want them named", err)
	}
}

func TestFirstUsage(t *testing.T) {
	for _, c := range []struct {
		name, descriptor string
		page, usage      uint16
	}{
		{"point of sale", "\x05\x8c\x09\x02\xa1\x01", 0x8C, 2},
		{"of the maker", "\x06\x00\xff\x09\x01", 0xFF00, 1},
		{"usage of two bytes", "\x05\x01\x0a\x06\x01", 1, 0x106},
		{"empty", "", 0, 0},
		{"torn", "\x05\x8c\x09", 0x8C, 0},
		{"only a page", "\x05\x8c", 0x8C, 0},
	} {
		if page, usage := firstUsage([]byte(c.descriptor)); page != c.page || usage != c.usage {
			t.Errorf("%s: %#x %#x, want %#x %#x", c.name, page, usage, c.page, c.usage)
		}
	}
}

func TestConfig(t *testing.T) {
	defer func(was bool) { supported = was }(supported)
	supported = true
	for _, c := range []struct {
		config      Config
		field, says string // field "" = usable, and says is its String
	}{
		{Config{Path: "1-1:1.0"}, "", "hid 1-1:1.0"},
		{Config{Path: "2-1.4.3:1.1"}, "", "hid 2-1.4.3:1.1"},
		{Config{Vendor: "0C2E", Product: "0b61"}, "", "hid 0c2e:0b61"},
		{Config{Vendor: "0c2e", Product: "0b61", Serial: "S1"}, "", "hid 0c2e:0b61 S1"},
		{Config{}, "path", "vendor and product"},
		{Config{Path: "/dev/hidraw0"}, "path", "such as 1-1.2:1.0"},
		{Config{Path: "1-1:1.0", Vendor: "0c2e"}, "path", "not both"},
		{Config{Vendor: "c2e", Product: "0b61"}, "vendor", "four hexadecimal"},
		{Config{Vendor: "0c2e"}, "product", "four hexadecimal"},
		{Config{Serial: "S1"}, "path", "vendor and product"},
	} {
		err := c.config.Validate()
		var ce *port.ConfigError
		switch {
		case c.field == "" && (err != nil || c.config.String() != c.says):
			t.Errorf("%+v: %v, %q", c.config, err, c.config)
		case c.field != "" && (!errors.As(err, &ce) || ce.Field != c.field || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%+v: %v; want field %s and %q", c.config, err, c.field, c.says)
		}
	}
}

// TestBuildWithoutHIDSaysSo: such a build must not look like one whose scanner is unplugged.
func TestBuildWithoutHIDSaysSo(t *testing.T) {
	if supported != hid.Supported() {
		t.Error("supported is not what the library says")
	}
	defer func(was bool) { supported = was }(supported)
	supported = false
	var ce *port.ConfigError
	if err := (Config{Path: "1-1:1.0"}).Validate(); !errors.As(err, &ce) || ce.Field != "type" || !strings.Contains(err.Error(), "不支持 HID") {
		t.Errorf("%v", err)
	}
	if _, err := Open(Config{Path: "1-1:1.0"}); !errors.As(err, &ce) {
		t.Errorf("Open: %v", err)
	}
}
