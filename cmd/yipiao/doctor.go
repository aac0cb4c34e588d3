package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"yipiao/drivers/port/plug"
	"yipiao/edge"
)

const doctorUsage = `用法 (usage):
  yipiao doctor devices [--config station.json] [--json]     插着什么、配置用了没有、哪里不对、怎么治 (what is plugged in, used, wrong, and the cure)
  yipiao doctor devices --watch [--json]                     插拔时立即显示 (shows every plug and unplug)
  yipiao doctor devices --test NAME [--open | --print]       请运行中的驿站测试一台设备 (have the running station test a device)
  yipiao doctor devices --port /dev/… --kind KIND [--open | --print]
                                                             没有驿站在用时，直接测试一个端口 (test a port that no station has open)
  技术员密码取自环境变量 YIPIAO_PASSWORD；没有密码时只读配置文件 (the technician's password; without one only the file is read)
`

// watchEvery keeps the notice of a plug below a second.
const watchEvery = 500 * time.Millisecond

// A doctor looks at the devices of this machine.
type doctor struct {
	*tool
	tree    plug.Tree
	config  string // of the station; "" is that of yipiao run
	account string
	json    bool
	confirm func(question string) bool
}

// doctorFlags are what the command line asks for.
type doctorFlags struct {
	watch, open, print, yes bool
	test, port, kind, extra string
	baud                    int
}

func cmdDoctor(ctx context.Context, t *tool, args []string) error {
	return (&doctor{tool: t, confirm: t.ask}).run(ctx, args)
}

func (d *doctor) run(ctx context.Context, args []string) error {
	if first(args) != "devices" {
		_, _ = fmt.Fprint(d.errs, doctorUsage)
		return errUsage
	}
	flags := d.flags("doctor devices")
	var f doctorFlags
	flags.StringVar(&d.config, "config", "", "configuration `file` of the station; default: that of yipiao run")
	flags.StringVar(&d.account, "account", edge.Technician, "`name` to log in with")
	flags.BoolVar(&d.json, "json", false, "for programs")
	flags.BoolVar(&f.watch, "watch", false, "show every plug and unplug until Ctrl-C")
	flags.StringVar(&f.test, "test", "", "`name` of the configured device to test")
	flags.BoolVar(&f.open, "open", false, "a gate: let one person through")
	flags.BoolVar(&f.print, "print", false, "a printer: print a test page")
	flags.BoolVar(&f.yes, "yes", false, "do not ask before a gate opens")
	flags.StringVar(&f.port, "port", "", "`port` to test: a path, bus-port:1.0, host:port, or JSON as in station.json")
	flags.StringVar(&f.kind, "kind", "", "`protocol` to test it with, such as linescan")
	flags.StringVar(&f.extra, "settings", "", "the protocol's settings as `JSON`")
	flags.IntVar(&f.baud, "baud", 0, "speed of a serial line")
	if err := parse(flags, args[1:]); err != nil {
		return err
	}
	one := 0
	for _, on := range []bool{f.watch, f.test != "", f.port != ""} {
		if on {
			one++
		}
	}
	if flags.NArg() > 0 || one > 1 || (f.port == "") != (f.kind == "") || (f.open || f.print) && f.test == "" && f.port == "" {
		_, _ = fmt.Fprint(d.errs, doctorUsage)
		return errUsage
	}
	switch {
	case f.watch:
		return d.watch(ctx)
	case f.test != "":
		return d.testAtStation(ctx, &f)
	case f.port != "":
		return d.testPort(ctx, &f)
	}
	return d.list(ctx)
}

// diagnosis is what `yipiao doctor devices --json` prints.
type diagnosis struct {
	edge.Hardware
	// Station says whether a running station was asked for states: yes | no; Note says why not.
	Station string `json:"station"`
	Note    string `json:"note,omitempty"`
}

// list looks once. It fails where something is to be put right, so that a script notices.
func (d *doctor) list(ctx context.Context) error {
	out, err := d.diagnose(ctx)
	if err != nil {
		return err
	}
	if d.json {
		enc := json.NewEncoder(d.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(out); err != nil {
			return err
		}
	} else {
		d.show(out)
	}
	if n := len(out.Problems); n > 0 {
		return fmt.Errorf("有 %d 处要处理 (%d things to put right)", n, n)
	}
	return nil
}

// diagnose compares what is plugged in with the configuration, and with the running station where it answers. A
// machine without a configuration is not at fault: then only what is plugged in is told.
func (d *doctor) diagnose(ctx context.Context) (*diagnosis, error) {
	out := &diagnosis{Station: "no"}
	cfg, err := d.configuration()
	var bad *edge.DeviceProblem
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.config == "":
		out.Note = "这里没有驿站的配置，用 --config 指明 (no station's configuration here: use --config)"
	case err != nil:
		bad = &edge.DeviceProblem{Code: "bad_config", Subject: "config", Text: err.Error()}
	}
	var states []edge.DeviceStatus
	if cfg != nil {
		if states, err = d.states(ctx); err != nil {
			out.Note = "没有问到驿站，状态未知 (the station was not asked, states are unknown): " + err.Error()
		} else {
			out.Station = "yes"
		}
	}
	if out.Hardware, err = edge.Survey(d.tree, cfg, states); err != nil {
		return nil, err
	}
	if bad != nil {
		out.Problems = append([]edge.DeviceProblem{*bad}, out.Problems...)
	}
	return out, nil
}

// configuration is the station's; the error is fs.ErrNotExist for none.
func (d *doctor) configuration() (*edge.Config, error) {
	path := d.config
	if path == "" {
		s, err := loadSystem(d.dir)
		if err != nil {
			return nil, fs.ErrNotExist
		}
		path = s.path("station", "station.json")
	}
	cfg, err := edge.LoadConfig(path)
	if err != nil {
		return nil, err
	}
	return &cfg, nil
}

// states asks the running station.
func (d *doctor) states(ctx context.Context) ([]edge.DeviceStatus, error) {
	a, err := d.loggedIn(ctx, d.config, d.account)
	if err != nil {
		return nil, err
	}
	var out edge.Hardware
	if err := a.get(ctx, "/api/v1/hardware", &out); err != nil {
		return nil, err
	}
	states := make([]edge.DeviceStatus, len(out.Devices))
	for i := range out.Devices {
		states[i] = out.Devices[i].DeviceStatus
	}
	return states, nil
}

// watch tells every change until ctx ends.
func (d *doctor) watch(ctx context.Context) error {
	taken := make(map[string]bool)
	if cfg, err := d.configuration(); err == nil {
		for i := range cfg.Devices {
			taken[cfg.Devices[i].Name] = true
		}
	}
	enc := json.NewEncoder(d.out)
	var failed error
	err := d.tree.Watch(ctx, watchEvery, func(events []plug.Event) {
		for i := range events {
			if d.json {
				failed = errors.Join(failed, enc.Encode(events[i]))
			} else {
				d.showEvent(&events[i], taken)
			}
		}
	})
	return errors.Join(err, failed)
}
