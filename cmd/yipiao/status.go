package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"yipiao/cloud"
	"yipiao/edge"
	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/control"
	"yipiao/firmware-sim/wan"
)

// systemStatus is what `yipiao status --json` prints.
type systemStatus struct {
	Ready   bool           `json:"ready"`
	Station *edge.Status   `json:"station,omitempty"`
	Cloud   *cloud.Status  `json:"cloud,omitempty"`
	Devices []bench.Device `json:"simulated_devices,omitempty"`
	WAN     *wan.State     `json:"wan,omitempty"`
	Errors  []string       `json:"errors,omitempty"`
}

// check asks every part once.
func check(ctx context.Context, s *system) systemStatus {
	var out systemStatus
	note := func(err error) {
		if err != nil {
			out.Errors = append(out.Errors, err.Error())
		}
	}
	if a, err := s.stationAPI(); err != nil {
		note(err)
	} else {
		st := &edge.Status{}
		if err := a.get(ctx, "/api/v1/status", st); err != nil {
			note(err)
		} else {
			out.Station = st
		}
	}
	if a, err := s.cloudAPI(ctx); err != nil {
		note(err)
	} else {
		st := &cloud.Status{}
		if err := a.get(ctx, "/api/v1/status", st); err != nil {
			note(err)
		} else {
			out.Cloud = st
		}
	}
	sim := control.NewClient(s.simSocket())
	defer sim.Close()
	var err error
	out.Devices, err = sim.Devices(ctx)
	note(err)
	if w, err := sim.WAN(ctx); err == nil {
		out.WAN = &w
	}
	out.Ready = len(out.Errors) == 0 && out.Station.Ready && out.Cloud.Ready
	return out
}

// why says in one line what is not in order.
func (st *systemStatus) why() string {
	all := append([]string(nil), st.Errors...)
	if st.Station != nil && !st.Station.Ready {
		all = append(all, "驿站 (station): "+strings.Join(st.Station.Attention, ", "))
	}
	if st.Cloud != nil && !st.Cloud.Ready {
		all = append(all, "云端 (cloud) 未就绪")
	}
	return strings.Join(all, "; ")
}

func cmdStatus(ctx context.Context, t *tool, args []string) error {
	fs := t.flags("status")
	asJSON := fs.Bool("json", false, "for programs")
	if err := parse(fs, args); err != nil {
		return err
	}
	s, err := loadSystem(t.dir)
	if err != nil {
		return err
	}
	st := check(ctx, s)
	if *asJSON {
		enc := json.NewEncoder(t.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(st); err != nil {
			return err
		}
	} else {
		t.show(&st)
	}
	if !st.Ready {
		return errors.New("未就绪 (not ready): " + st.why())
	}
	return nil
}

func (t *tool) show(st *systemStatus) {
	if s := st.Station; s != nil {
		t.printf("驿站 station  %s %s  链路 uplink %s  云端数据 %s  待上传 waiting %d  票 tickets %d\n",
			s.Station, s.Venue, s.Uplink.State, age(s.Uplink.CloudAgeMs), s.Journal.Waiting, s.Tickets)
		for _, l := range s.Lanes {
			t.printf("  通道 lane %-5s %s  %s\n", l.Name, l.Title, map[bool]string{true: "开放 open", false: "已关闭 closed"}[l.Open])
		}
		for _, d := range s.Devices {
			where := ""
			if d.State != "ok" {
				where = fmt.Sprintf("（%s）", d.Port)
			}
			t.printf("  设备 device %-10s %-9s %s %s%s\n", d.Name, d.Kind, d.State, d.Note, where)
		}
	}
	if c := st.Cloud; c != nil {
		for _, s := range c.Stations {
			t.printf("云端 cloud    %s  已收 durable %d  已处理 folded %d  下发位置 feed %d\n", s.Name, s.Durable, s.Folded, s.FeedHead)
		}
	}
	if st.Ready {
		t.printf("全部就绪 (everything is up)\n")
	}
}

func age(ms int64) string {
	if ms < 0 {
		return "从未 (never)"
	}
	return fmt.Sprintf("%.1f 秒前", float64(ms)/1000)
}
