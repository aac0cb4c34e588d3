package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yipiao/edge"
	"yipiao/sync/link/identity"
)

const bridgeUsage = `用法 (usage):
  yipiao bridge [--config bridge.json]                 把本机的串口、打印机、HID 设备提供给驿站 (offer this machine's ports to the station)
  yipiao bridge enrol [--config bridge.json] CODE      用驿站给的一次性码登记本机 (register this machine)
  登记码在驿站上生成 (the code is made at the station)：yipiao station bridge-code --name kiosk-1
`

// cmdBridge is for a kiosk, window or gate PC, which has no station and no system of its own.
func cmdBridge(ctx context.Context, t *tool, args []string) error {
	enrol := len(args) > 0 && args[0] == "enrol"
	if enrol {
		args = args[1:]
	}
	fs := flag.NewFlagSet("yipiao bridge", flag.ContinueOnError)
	fs.SetOutput(t.errs)
	config := fs.String("config", "bridge.json", "configuration `file`")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != map[bool]int{true: 1}[enrol] {
		_, _ = fmt.Fprint(t.errs, bridgeUsage)
		return errUsage
	}
	b, err := edge.LoadBridge(*config)
	if err != nil {
		return err
	}
	if enrol {
		id, err := b.Enrol(ctx, fs.Arg(0))
		if err != nil {
			return err
		}
		t.printf("登记成功 (registered)：驿站 (station) %s，本机编号 (this machine) %s\n", id.Station, id.Device)
		return nil
	}
	log := slog.New(slog.NewTextHandler(t.errs, nil))
	return b.Run(ctx, log, func(who identity.Identity, until time.Time, at net.Addr) {
		t.printf("本机 (this machine) %s，驿站 (station) %s，证书到期 (certificate until) %s\n监听 (listening)：%s\n",
			who.Device, who.Station, until.Format(time.DateOnly), at)
		offers := b.Offers()
		for _, name := range slices.Sorted(maps.Keys(offers)) {
			t.printf("  %-20s %s\n", name, offers[name])
		}
	})
}

const stationUsage = `用法 (usage):
  yipiao station bridge-code --name kiosk-1 [--address HOST:PORT]
                                       生成一次性登记码，10 分钟内有效 (a one-time code for a bridge)
  yipiao station devices               列出登记过的设备 (all registered devices)
  yipiao station revoke ID             吊销一台设备，立即生效 (revoke one, at once)
  技术员密码取自环境变量 YIPIAO_PASSWORD；--config 指明驿站配置，缺省用 make run 的驿站
`

func cmdStation(ctx context.Context, t *tool, args []string) error {
	do, known := map[string]func(context.Context, *api, stationArgs) error{
		"bridge-code": t.bridgeCode, "devices": t.listDevices, "revoke": t.revokeDevice,
	}[first(args)]
	if !known {
		_, _ = fmt.Fprint(t.errs, stationUsage)
		return errUsage
	}
	fs := t.flags("station " + args[0])
	config := fs.String("config", "", "configuration `file` of the station; default: that of yipiao run")
	account := fs.String("account", edge.Technician, "`name` to log in with")
	var a stationArgs
	fs.StringVar(&a.name, "name", "", "`name` of the bridge, as people call it")
	fs.StringVar(&a.address, "address", "", "`host:port` at which the bridge finds the station; default: where it listens")
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	a.rest = fs.Args()
	if len(a.rest) != map[string]int{"revoke": 1}[args[0]] || (args[0] == "bridge-code") != (a.name != "") {
		_, _ = fmt.Fprint(t.errs, stationUsage)
		return errUsage
	}
	api, err := t.loggedIn(ctx, *config, *account)
	if err != nil {
		return err
	}
	return do(ctx, api, a)
}

type stationArgs struct {
	name, address string
	rest          []string
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (t *tool) bridgeCode(ctx context.Context, a *api, args stationArgs) error {
	var out struct {
		Code    string `json:"code"`
		UntilMs int64  `json:"until_ms"`
	}
	err := a.call(ctx, http.MethodPost, "/api/v1/bridges/codes", map[string]string{"name": args.name, "address": args.address}, &out)
	if err != nil {
		return err
	}
	t.printf("一次性登记码，%s 前有效 (one-time code, until then)：\n\n  %s\n\n在 %s 上运行 (run there)：yipiao bridge enrol '%s'\n",
		time.UnixMilli(out.UntilMs).Format(time.TimeOnly), out.Code, args.name, out.Code)
	return nil
}

func (t *tool) listDevices(ctx context.Context, a *api, _ stationArgs) error {
	var out struct {
		Devices []struct {
			ID        string   `json:"id"`
			Name      string   `json:"name"`
			Lanes     []string `json:"lanes"`
			May       []string `json:"may"`
			RevokedMs int64    `json:"revoked_ms"`
		} `json:"devices"`
	}
	if err := a.get(ctx, "/api/v1/devices", &out); err != nil {
		return err
	}
	for _, d := range out.Devices {
		state := ""
		if d.RevokedMs != 0 {
			state = "已吊销 (revoked) " + time.UnixMilli(d.RevokedMs).Format(time.DateTime)
		}
		t.printf("%s  %-12s %-10s %s %s\n", d.ID, strings.Join(d.May, ","), strings.Join(d.Lanes, ","), d.Name, state)
	}
	return nil
}

func (t *tool) revokeDevice(ctx context.Context, a *api, args stationArgs) error {
	var out struct {
		ID string `json:"id"`
	}
	if err := a.call(ctx, http.MethodPost, "/api/v1/devices/"+url.PathEscape(args.rest[0])+"/revoke", nil, &out); err != nil {
		return err
	}
	t.printf("已吊销 (revoked)：%s\n", out.ID)
	return nil
}
