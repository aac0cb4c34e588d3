package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/edge"
	"yipiao/firmware-sim/control"
)

// readyIn bounds how long a part may take to answer.
const readyIn = 30 * time.Second

// cmdRun starts everything, prints where it is, and stays until it is interrupted.
func cmdRun(ctx context.Context, t *tool, args []string) error {
	fs := t.flags("run")
	base := fs.Int("ports", 18000, "first of the loopback `ports` to use")
	seats := fs.Int("seats", 1200, "seats of the sample hall")
	tickets := fs.Int("tickets", 500, "sold sample tickets")
	if err := parse(fs, args); err != nil {
		return err
	}
	dir, err := filepath.Abs(t.dir)
	if err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer unlock()
	r := &runner{tool: t, sys: &system{dir: dir, Ports: ports{*base}}, began: time.Now()}
	if old, err := loadSystem(dir); err == nil {
		old.Ports = r.sys.Ports
		r.sys = old
	}
	defer r.stop()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"准备云端 (cloud data)", r.prepareCloud},
		{"样例数据 (sample data)", func(ctx context.Context) error { return r.sample(ctx, *seats, *tickets) }},
		{"启动云端 (cloudd)", r.startCloud},
		{"启动模拟设备 (firmware-sim)", r.startSim},
		{"登记驿站 (enrol the station)", r.enrol},
		{"启动驿站 (stationd)", r.startStation},
		{"登记工具与手持 (register devices)", r.register},
		{"等待全部就绪 (wait until ready)", r.ready},
	} {
		t.printf("  %s …", step.what)
		began := time.Now()
		if err := step.do(ctx); err != nil {
			t.printf("\n")
			return fmt.Errorf("%s: %w", step.what, err)
		}
		t.printf(" %.1f s\n", time.Since(began).Seconds())
	}
	r.table()
	return r.wait(ctx)
}

// lockDir makes sure that one `yipiao run` at a time works in a directory. The lock ends with the process.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "run.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("另一个 yipiao run 正在使用 %s，先停止它 (already running there)", dir)
	}
	return func() { _ = f.Close() }, nil
}

type runner struct {
	tool  *tool
	sys   *system
	began time.Time
	procs []*proc // in the order of starting
}

func (r *runner) stop() {
	for i := len(r.procs) - 1; i >= 0; i-- {
		if err := r.procs[i].stop(); err != nil {
			r.tool.printf("  %v\n", err)
		}
	}
}

// wait stays until the user stops it, and starts a part again that ended by itself.
func (r *runner) wait(ctx context.Context) error {
	ended := make(chan int)
	watch := func(i int) {
		go func(p *proc) {
			<-p.done
			select {
			case ended <- i:
			case <-ctx.Done():
			}
		}(r.procs[i])
	}
	for i := range r.procs {
		watch(i)
	}
	for {
		select {
		case <-ctx.Done():
			r.tool.printf("\n正在依次停止 (stopping in order) …\n")
			return nil
		case i := <-ended:
			old := r.procs[i]
			r.tool.printf("  %s 意外退出，重新启动 (ended by itself, starting it again): %v\n", old.name, old.err)
			p, err := old.again()
			if err != nil {
				return err
			}
			r.procs[i] = p
			watch(i)
		}
	}
}

func (r *runner) prepareCloud(ctx context.Context) error {
	for _, d := range []string{"demo", "log", "sim", "station", "dev"} {
		if err := os.MkdirAll(r.sys.path(d), 0o700); err != nil {
			return err
		}
	}
	if r.sys.Cloud.Name != "" {
		return nil
	}
	out, err := output(ctx, "cloudd", "init", "--data", r.sys.cloudDir(), "--json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, &r.sys.Cloud); err != nil {
		return fmt.Errorf("cloudd init: %w", err)
	}
	return r.sys.save()
}

func (r *runner) sample(ctx context.Context, seats, tickets int) error {
	_, err := output(ctx, "cloudd", "sample", "--data", r.sys.cloudDir(), "--wallet", r.sys.wallet(),
		"--seats", strconv.Itoa(seats), "--tickets", strconv.Itoa(tickets))
	return err
}

func (r *runner) startCloud(ctx context.Context) error {
	cfg := r.sys.path("cloud", "cloud.json")
	err := writeJSON(cfg, map[string]any{
		"data":   r.sys.cloudDir(),
		"listen": map[string]any{"sync": r.sys.Ports.cloudSync(), "web": r.sys.Ports.cloudWeb(), "plain": r.sys.Ports.cloudPlain()},
	})
	if err != nil {
		return err
	}
	p, err := r.start("cloudd", "serve", "--config", cfg)
	if err != nil {
		return err
	}
	return until(ctx, p, readyIn, func(ctx context.Context) error { return answers(ctx, r.sys.Ports.cloudPlain()) })
}

// answers reports whether a plain listener serves its login page.
func answers(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/login", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, res.Status)
	}
	return nil
}

func (r *runner) start(name string, args ...string) (*proc, error) {
	p, err := start(name, r.sys.path("log"), args...)
	if err == nil {
		r.procs = append(r.procs, p)
	}
	return p, err
}

func (r *runner) startSim(ctx context.Context) error {
	var devices []map[string]any
	for _, n := range []string{"1", "2"} {
		devices = append(devices,
			map[string]any{"name": "scanner-" + n, "kind": "scanner", "pty": r.sys.path("dev", "scanner-"+n), "baud": 115200},
			map[string]any{"name": "gate-" + n, "kind": "turnstile", "pty": r.sys.path("dev", "gate-"+n), "baud": 19200,
				"state": r.sys.path("sim", "gate-"+n+".json"), "visitor": "walk", "walk_ms": 400})
	}
	cfg := r.sys.path("sim", "sim.json")
	err := writeJSON(cfg, map[string]any{
		"devices": devices,
		"wan":     map[string]any{"listen": r.sys.Ports.wan(), "target": r.sys.Ports.cloudSync()},
	})
	if err != nil {
		return err
	}
	p, err := r.start("firmware-sim", "--config", cfg, "--socket", r.sys.simSocket())
	if err != nil {
		return err
	}
	sim := control.NewClient(r.sys.simSocket())
	defer sim.Close()
	return until(ctx, p, readyIn, func(ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return sim.WaitReady(short)
	})
}

func (r *runner) enrol(ctx context.Context) error {
	if err := r.recoveryKey(); err != nil {
		return err
	}
	if r.sys.Station.Name != "" {
		return nil
	}
	out, err := output(ctx, "cloudd", "enrol-code", "--data", r.sys.cloudDir(), "--address", r.sys.Ports.wan(), "--json")
	if err != nil {
		return err
	}
	var code struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(out, &code); err != nil {
		return fmt.Errorf("cloudd enrol-code: %w", err)
	}
	done, err := edge.Enroll(ctx, r.sys.stationDir(), code.Code)
	if err != nil {
		return err
	}
	r.sys.Station = account{done.Account, done.Password}
	return r.sys.save()
}

// recoveryKey makes the key for the station's backups once. A venue takes it away; the demonstration
// keeps it beside its passwords.
func (r *runner) recoveryKey() error {
	have, err := edge.Recipient(r.sys.stationDir())
	if err != nil || have != "" {
		return err
	}
	file := r.sys.path("demo", "recovery.key")
	if text, err := os.ReadFile(file); err == nil { // of an earlier start: it may open backups
		return edge.SetRecipient(r.sys.stationDir(), publicKey(string(text)))
	}
	k, err := edge.NewRecoveryKey()
	if err != nil {
		return err
	}
	if err := writeKey(file, k); err != nil {
		return err
	}
	return edge.SetRecipient(r.sys.stationDir(), k.Recipient)
}

func (r *runner) startStation(ctx context.Context) error {
	cfg := r.sys.path("station", "station.json")
	if err := writeJSON(cfg, r.stationConfig()); err != nil {
		return err
	}
	p, err := r.start("stationd", "-config", cfg)
	if err != nil {
		return err
	}
	return until(ctx, p, readyIn, func(ctx context.Context) error { return answers(ctx, r.sys.Ports.stationPlain()) })
}

func (r *runner) stationConfig() map[string]any {
	var devices, lanes []map[string]any
	for _, n := range []string{"1", "2"} {
		devices = append(devices,
			map[string]any{"name": "scanner-" + n, "kind": "linescan", "port": map[string]any{"path": r.sys.path("dev", "scanner-"+n), "baud": 115200}},
			map[string]any{"name": "gate-" + n, "kind": "lotgate", "port": map[string]any{"path": r.sys.path("dev", "gate-"+n), "baud": 19200}})
		lanes = append(lanes, map[string]any{
			"name": "L" + n, "title": n + "号通道", "groups": []int{1, 2}, "entry": true, "exit": false,
			"scanner": "scanner-" + n, "gate": "gate-" + n, "permit_seconds": 5,
		})
	}
	lanes = append(lanes, map[string]any{"name": "door", "title": "手持检票", "groups": []int{1, 2}, "entry": true, "exit": true})
	return map[string]any{
		"data":    r.sys.stationDir(),
		"listen":  map[string]any{"lan": r.sys.Ports.stationLAN(), "plain": r.sys.Ports.stationPlain()},
		"devices": devices, "lanes": lanes,
	}
}

// register makes the tool's and a handheld's token, once.
func (r *runner) register(ctx context.Context) error {
	if r.sys.ToolToken != "" {
		return nil
	}
	a, err := r.sys.client("驿站 (station)", r.sys.Ports.stationLAN(), "")
	if err != nil {
		return err
	}
	if err := a.login(ctx, r.sys.Station); err != nil {
		return err
	}
	tool, err := addDevice(ctx, a, "yipiao 工具", nil, []string{"read"})
	if err != nil {
		return err
	}
	handheld, err := addDevice(ctx, a, "手持 1", []string{"door", "L1", "L2"}, []string{"check"})
	if err != nil {
		return err
	}
	r.sys.ToolToken, r.sys.Handheld = tool.Token, handheld.Token
	return r.sys.save()
}

func (r *runner) ready(ctx context.Context) error {
	last := r.procs[len(r.procs)-1]
	return until(ctx, last, readyIn, func(ctx context.Context) error {
		st := check(ctx, r.sys)
		if !st.Ready {
			return errors.New(st.why())
		}
		return nil
	})
}

func (r *runner) table() {
	s := r.sys
	r.tool.printf(`
驿票已就绪 (ready in %.1f s)

  驿站页面 station   http://%s/   (https://%s)   账号 %s  密码 %s
  云端页面 cloud     http://%s/   (https://%s)   账号 %s  密码 %s
  根证书 root CA     %s
  日志 logs          %s
  恢复密钥 recovery  %s

  另开一个终端 (in another terminal):
    bin/yipiao demo              一步步看 (the story)
    bin/yipiao demo scan         扫一张票 (scan a ticket)
    bin/yipiao demo cut | mend   断网 / 恢复 (cut / mend the line to the cloud)
    bin/yipiao status | verify   是否就绪 / 逐项比对 (ready? equal?)

  Ctrl-C 停止 (stops everything); make run 再次继续 (continues); make clean-data 从头开始 (starts anew)
`, time.Since(r.began).Seconds(), s.Ports.stationPlain(), s.Ports.stationLAN(), s.Station.Name, s.Station.Password,
		s.Ports.cloudPlain(), s.Ports.cloudWeb(), s.Cloud.Name, s.Cloud.Password, s.path("station", "root.pem"), s.path("log"), s.path("demo", "recovery.key"))
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
