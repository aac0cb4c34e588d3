package bridge

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yipiao/sync/ticket"
)

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bridge.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(path)
}

func TestConfig(t *testing.T) {
	c, err := load(t, `{"ports":{
		"scanner-1": {"path":"/dev/serial/by-id/a","baud":115200},
		"scanner-2": {"type":"evdev","path":"kbd"},
		"printer-1": {"type":"lp","usb":"1-1.3:1.0"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != DefaultListen || !filepath.IsAbs(c.Data) || filepath.Base(c.Data) != "bridge" || len(c.Ports) != 3 {
		t.Errorf("%+v", c)
	}
	if got := c.Ports["scanner-2"].String(); got != "evdev "+filepath.Join(filepath.Dir(c.Data), "kbd") {
		t.Errorf("a relative path became %q", got)
	}
}

func TestConfigErrorsNameWhatIsWrong(t *testing.T) {
	for text, says := range map[string]string{
		`{"ports":{}}`: "ports",
		`{`:            "bridge.json",
		`{"port":{}}`:  `"port"`,
		`{"listen":"8447","ports":{"a":{"path":"/dev/a"}}}`:                      "listen",
		`{"ports":{"a":{"path":"/dev/a"},"a":{"path":"/dev/b"}}}`:                `"a"`,
		`{"ports":{"a":{"path":"/dev/a"},"b":{"path":"/dev/a"}}}`:                "ports.b",
		`{"ports":{"a b":{"path":"/dev/a"}}}`:                                    "ports.a b",
		`{"ports":{"a":null}}`:                                                   "ports.a",
		`{"ports":{"a":{"path":""}}}`:                                            "ports.a.path",
		`{"ports":{"a":{"path":"/dev/a","baud":5}}}`:                             "ports.a.baud",
		`{"ports":{"a":{"path":"/dev/a","bauds":5}}}`:                            "bauds",
		`{"ports":{"a":{"type":"tcp","address":"10.0.0.5:9100"}}}`:               "ports.a.type",
		`{"ports":{"a":{"type":"bridge","address":"10.0.0.5:8447","name":"x"}}}`: "ports.a.type",
		`{"ports":{"a":{"type":"usb"}}}`:                                         "bridge",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	if _, err := LoadConfig(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestSelfThatCannotBeRead(t *testing.T) {
	if _, err := LoadSelf(t.TempDir(), time.Now); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("nothing there: %v", err)
	}
	s := newSite(t, newRoot(t), 3)
	self := s.bridge("d1", time.Now(), time.Now())
	if _, err := LoadSelf(self.dir, func() time.Time { return time.Now().Add(400 * 24 * time.Hour) }); !errors.Is(err, ErrExpired) {
		t.Errorf("after its end: %v", err)
	}
	file := filepath.Join(self.dir, selfFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 10, 300, len(text) - 10} {
		if err := os.WriteFile(file, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadSelf(self.dir, time.Now); err == nil {
			t.Errorf("cut at %d: it was read", cut)
		}
	}
	var field *ticket.FieldError
	if _, err := Enrol(context.Background(), self.dir, "hello", time.Now); !errors.As(err, &field) || field.Field != "enrol_code" {
		t.Errorf("no code: %v", err)
	}
}
