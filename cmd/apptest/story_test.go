package apptest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const sentence = "演出票检票次数超过演出票务系统设置的最大值，不可再次检票入场" // SHOW-E.2.7-c

// TestStory is statement 1 and 2 of the first issue: everything starts, a ticket passes, the second
// scan is refused to the letter, the line is cut and mended, and the data is there again after a stop.
func TestStory(t *testing.T) {
	s := newSystem(t)
	first := s.start()
	t.Logf("ready after %s, first start", first)
	s.must([]string{"全部就绪"}, "status")
	s.statusJSON()
	s.must([]string{"扫码器发送", "✔ 放行", "已通过", "账本", "此票已入场 1 / 1 次"}, "demo", "scan")
	s.must([]string{"✘ 不放行", sentence, "没有收到命令", "此票已入场 1 / 1 次"}, "demo", "scan")
	s.must([]string{"一致"}, "verify", "--wait", "30s")

	// A cloud that hangs: the verdict is given all the same, and the tool says so.
	cloud := s.pid("cloudd")
	if err := syscall.Kill(cloud, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.must([]string{"✔ 放行", "已通过", "云端"}, "demo", "scan", "--next")
	if err := syscall.Kill(cloud, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.must([]string{"一致"}, "verify", "--wait", "30s")

	s.must([]string{"断网"}, "demo", "cut")
	if out, err := s.yipiao("status"); err == nil {
		t.Fatalf("status says ready while the line is cut:\n%s", out)
	}
	s.must([]string{"✔ 放行", "已通过", "断网，还不知道"}, "demo", "scan", "--next")
	s.must([]string{sentence}, "demo", "scan", "--lane", "2")
	if out, err := s.yipiao("verify"); err == nil {
		t.Fatalf("verify says equal while facts wait:\n%s", out)
	}
	s.must([]string{"恢复"}, "demo", "mend")
	s.must([]string{"一致"}, "verify", "--wait", "30s")

	parts := s.parts()
	if err := s.stop(); err != nil {
		t.Fatalf("Ctrl-C: %v\n%s", err, s.out)
	}
	for name, pid := range parts {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("%s (%d) still runs after Ctrl-C", name, pid)
		}
	}
	again := s.start()
	t.Logf("ready after %s, second start", again)
	s.must([]string{sentence}, "demo", "scan")
	s.must([]string{"一致"}, "verify", "--wait", "30s")
	s.secrets()
	s.enrolAnother()
}

// enrolAnother makes another machine a station with the commands that an operator and a technician use,
// and shows that a used code makes no second one.
func (s *system) enrolAnother() {
	s.t.Helper()
	cloudd := func(args ...string) string {
		s.t.Helper()
		out, err := exec.Command(filepath.Join(s.bin, "cloudd"), args...).Output()
		if err != nil {
			s.t.Fatalf("cloudd %v: %v", args, err)
		}
		return string(out)
	}
	data := filepath.Join(s.dir, "cloud")
	cloudd("station", "add", "--data", data, "--name", "样例驿站二")
	var code struct {
		Code string `json:"code"`
	}
	text := cloudd("enrol-code", "--data", data, "--address", fmt.Sprintf("127.0.0.1:%d", s.base+643), "--json")
	if err := json.Unmarshal([]byte(text), &code); err != nil {
		s.t.Fatalf("enrol-code: %v\n%s", err, text)
	}
	tool := filepath.Join(s.bin, "yipiao")
	out, err := exec.Command(tool, "enroll", "--data", filepath.Join(s.dir, "second"), code.Code).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "登记成功") || !strings.Contains(string(out), "S-0002") {
		s.t.Fatalf("enroll: %v\n%s", err, out)
	}
	for _, again := range []string{"second", "third"} { // the same machine, and another one with the used code
		out, err := exec.Command(tool, "enroll", "--data", filepath.Join(s.dir, again), code.Code).CombinedOutput()
		if err == nil {
			s.t.Fatalf("a used code was accepted in %s:\n%s", again, out)
		}
	}
}

func (s *system) parts() map[string]int {
	out := make(map[string]int)
	for _, name := range []string{"cloudd", "firmware-sim", "stationd"} {
		out[name] = s.pid(name)
	}
	return out
}

func (s *system) statusJSON() {
	s.t.Helper()
	var st struct {
		Ready   bool `json:"ready"`
		Station struct {
			Tickets int `json:"tickets"`
			Lanes   []struct {
				Name string `json:"name"`
			} `json:"lanes"`
		} `json:"station"`
	}
	out := s.must(nil, "status", "--json")
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		s.t.Fatalf("status --json: %v\n%s", err, out)
	}
	if !st.Ready || st.Station.Tickets != 500 || len(st.Station.Lanes) < 2 {
		s.t.Fatalf("status --json: %+v", st)
	}
}

// secrets: no full ticket code stands in any log.
func (s *system) secrets() {
	s.t.Helper()
	wallet, err := os.ReadFile(filepath.Join(s.dir, "demo", "wallet.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(s.dir, "log", "*.log"))
	if err != nil || len(logs) == 0 {
		s.t.Fatalf("no logs: %v", err)
	}
	for _, f := range logs {
		text, err := os.ReadFile(f)
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.Contains(string(text), "YP1:") {
			s.t.Errorf("%s holds a ticket code", filepath.Base(f))
		}
	}
	if n := strings.Count(string(wallet), "YP1:"); n < 500 {
		s.t.Errorf("the wallet holds %d tickets, want 500", n)
	}
}

// TestDemo tells the whole story with one command.
func TestDemo(t *testing.T) {
	s := newSystem(t)
	s.start()
	began := time.Now()
	out := s.must([]string{"1.", "2.", "3.", "4.", "5.", sentence, "一致"}, "demo")
	t.Logf("told in %s", time.Since(began))
	if last := strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]); !strings.HasPrefix(last, "一致") {
		t.Fatalf("the last line is no summary: %q", last)
	}
}
