package cloud_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yipiao/cloud"
	"yipiao/sync/ticket"
)

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cloud.json")
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":        {`{"data":"d","colour":1}`, `"colour"`},
		"unknown inner key":  {`{"data":"d","listen":{"snyc":"x"}}`, `"snyc"`},
		"wrong type":         {`{"data":"d","listen":{"sync":9443}}`, "listen.sync"},
		"not JSON":           {"{\n\"data\": d}", "第 2 行"},
		"text after the end": {`{"data":"d"} {}`, "结尾"},
		"empty":              {``, "EOF"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cloud.LoadConfig(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := cloud.LoadConfig(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"data":"d","master_key":"/run/k","listen":{"web":":8443"},"hosts":["c.example.cn"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := cloud.LoadConfig(file)
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil || cfg.Data != filepath.Join(dir, "d") || cfg.MasterKey != "/run/k" || cfg.Listen.Sync != cloud.DefaultSync {
		t.Fatalf("configuration %+v, %v", cfg, err)
	}
}

func TestConfig_ValidateNamesEveryField(t *testing.T) {
	cfg := cloud.Config{Database: "mysql://x", Listen: cloud.Listen{Sync: "x", Web: "y", Plain: "0.0.0.0:80"}, Public: ":1", Hosts: []string{"a", ""}}
	err := cfg.Validate()
	for _, field := range []string{"data", "database", "listen.sync", "listen.web", "listen.plain", "public", "hosts[1]"} {
		if err == nil || !strings.Contains(err.Error(), field+"：应为") {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
	var fe *ticket.FieldError
	if !errors.As(err, &fe) || fe.Code != "bad_config" {
		t.Errorf("error %v", err)
	}
}
