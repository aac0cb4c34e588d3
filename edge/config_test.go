package edge_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yipiao/edge"
)

const goodConfig = `{
  "data": "data",
  "listen": {"lan": "127.0.0.1:0", "plain": "127.0.0.1:8080"},
  "devices": [
    {"name": "scan-1", "kind": "linescan", "port": {"path": "ttyA"}},
    {"name": "gate-1", "kind": "lotgate", "port": {"path": "/dev/ttyB", "baud": 9600}}
  ],
  "lanes": [
    {"name": "L1", "title": "1号通道", "groups": [1], "entry": true, "scanner": "scan-1", "gate": "gate-1"},
    {"name": "H1", "groups": [1, 2], "entry": true, "exit": true}
  ]
}`

// load writes a configuration and loads it.
func load(t *testing.T, text string) (edge.Config, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "station.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := edge.LoadConfig(path)
	return c, path, err
}

func TestLoadConfig_FillsInDefaultsAndCountsPathsFromTheFile(t *testing.T) {
	c, path, err := load(t, goodConfig)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Dir(path)
	if c.Data != filepath.Join(base, "data") || c.Devices[0].Port.String() != filepath.Join(base, "ttyA")+" 9600 8N1" || c.Devices[1].Port.String() != "/dev/ttyB 9600 8N1" {
		t.Errorf("paths %s, %s, %s", c.Data, c.Devices[0].Port, c.Devices[1].Port)
	}
	if c.Lanes[0].PermitSeconds != 5 || c.Lanes[1].Title != "H1" {
		t.Errorf("lanes %+v", c.Lanes)
	}
	if c, _, err := load(t, `{"data":"/d"}`); err != nil || c.Listen.LAN != "127.0.0.1:8443" || c.Data != "/d" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestLoadConfig_NamesWhatIsWrong: each fault with its field, and nothing else.
func TestLoadConfig_NamesWhatIsWrong(t *testing.T) {
	lanes := func(s string) string { return `{"data":"d","lanes":[` + s + `]}` }
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", `{"data":"d","listne":{}}`, `unknown field "listne"`},
		{"unknown key within", lanes(`{"name":"a","groups":[1],"entry":true,"colour":"red"}`), `unknown field "colour"`},
		{"not JSON", "{\n  \"data\": \"d\",\n  data\n}", "第 3 行"},
		{"wrong type", "{\n  \"data\": 5\n}", "第 2 行"},
		{"cut off", "{\n  \"data\": \"d\",\n", "第 3 行 (line): 内容不完整"},
		{"empty", "", "内容不完整"},
		{"two values", `{"data":"d"} {}`, "结尾多出内容"},
		{"no data directory", `{}`, "data：应为"},
		{"LAN address", `{"data":"d","listen":{"lan":"8443"}}`, "listen.lan：应为"},
		{"plain on the LAN", `{"data":"d","listen":{"plain":"192.0.2.1:8080"}}`, "listen.plain：应为"},
		{"plain on every address", `{"data":"d","listen":{"plain":":8080"}}`, "listen.plain：应为"},
		{"plain on 0.0.0.0", `{"data":"d","listen":{"plain":"0.0.0.0:8080"}}`, "listen.plain：应为"},
		{"lane without a name", lanes(`{"groups":[1],"entry":true}`), "lanes[0].name：应为"},
		{"lane without groups", lanes(`{"name":"a","entry":true}`), "lanes[0].groups：应为"},
		{"lane without a direction", lanes(`{"name":"a","groups":[1]}`), "lanes[0].entry：应为"},
		{"two lanes of one name", lanes(`{"name":"a","groups":[1],"entry":true},{"name":"a","groups":[2],"exit":true}`), "lanes[1].name：应为"},
		{"permit too long", lanes(`{"name":"a","groups":[1],"entry":true,"permit_seconds":61}`), "lanes[0].permit_seconds：应为"},
		{"negative permit", lanes(`{"name":"a","groups":[1],"entry":true,"permit_seconds":-1}`), "lanes[0].permit_seconds：应为"},
		{"device that is not listed", lanes(`{"name":"a","groups":[1],"entry":true,"scanner":"scan-9"}`), "scan-9"},
		{"device in two lanes", strings.Replace(goodConfig, `"groups": [1, 2], "entry": true, "exit": true`, `"groups": [1], "entry": true, "scanner": "scan-1"`, 1), "设备 scan-1 已属于通道 L1"},
		{"both directions at one scanner", strings.Replace(goodConfig, `"entry": true, "scanner"`, `"entry": true, "exit": true, "scanner"`, 1), "lanes[0].exit：应为"},
		{"gate without a scanner", strings.Replace(goodConfig, `"scanner": "scan-1", `, "", 1), "lanes[0].scanner：应为"},
		{"unknown protocol", strings.Replace(goodConfig, "lotgate", "lotgaet", 1), `device gate-1: kind: "lotgaet"`},
		{"two devices of one name", strings.Replace(goodConfig, `"name": "gate-1"`, `"name": "scan-1"`, 1), "device scan-1: name"},
		{"unusable speed", strings.Replace(goodConfig, `"baud": 9600`, `"baud": 9601`, 1), "device gate-1: port.baud"},
		{"unknown key of a protocol", strings.Replace(goodConfig, `"kind": "linescan"`, `"kind": "linescan", "settings": {"colour": 1}`, 1), "colour"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, path, err := load(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "有误 (configuration)") && !strings.Contains(err.Error(), path) {
				t.Fatalf("%v does not name the file", err)
			}
		})
	}
}

func TestLoadConfig_LoopbackIsGoodEnoughForPlain(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.9.9.9:80", "[::1]:8080", "localhost:8080"} {
		if _, _, err := load(t, `{"data":"d","listen":{"plain":"`+addr+`"}}`); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestLoadConfig_ReportsEverythingAtOnce(t *testing.T) {
	_, _, err := load(t, `{"listen":{"lan":"x","plain":"192.0.2.1:1"},
		"devices":[{"name":"s","kind":"nothing","port":{"path":""}}],
		"lanes":[{"name":"","gate":"g","permit_seconds":99},{"name":"","groups":[1],"entry":true}]}`)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"data：", "listen.lan：", "listen.plain：", "lanes[0].name：", "lanes[0].groups：", "lanes[0].entry：", "lanes[0].scanner：",
		"lanes[0].permit_seconds：", "lanes[1].name：", "device s: kind", "device s: port.path",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in\n%v", want, err)
		}
	}
}

func TestLoadConfig_MissingFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere.json")
	if _, err := edge.LoadConfig(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v", err)
	}
}

func TestNew_MachineThatIsNotEnrolledIsSaidSo(t *testing.T) {
	if _, err := edge.New(edge.Config{Data: t.TempDir()}, nil); err != edge.ErrNotEnrolled { //nolint:errorlint // the very value is documented
		t.Fatalf("got %v", err)
	}
}
