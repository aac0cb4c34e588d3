package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yipiao/cloud"
	"yipiao/edge"
)

// scanned is one scan with everything that was seen of it.
type scanned struct {
	pass          pass
	verdict, last shown
	scanner, gate string
	tape          uint64 // simulator events before the scan
}

// screen prints what each part saw.
func (d *demo) screen(ctx context.Context, s *scanned) error {
	p := d.tool.printf
	marks := map[string]string{"admit": "✔ 放行 ADMIT", "refuse": "✘ 不放行 REFUSE", "hold": "! 待定 HOLD", "exit": "→ 离场 EXIT"}
	v := s.verdict.Verdict
	p("\n  票 ticket     %s  %s  …%s\n", s.pass.Seat, s.verdict.Session, s.pass.Code[len(s.pass.Code)-4:])
	list, _, err := d.sim.Events(ctx, "", s.tape, 0)
	if err != nil {
		return err
	}
	var gate []string
	for _, e := range list {
		switch {
		case e.Device == s.scanner:
			p("  扫码器 scanner %s\n", e.Text)
		case e.Device == s.gate && e.Kind != "received" && e.Kind != "sent": // what it did, not how it was polled
			gate = append(gate, fmt.Sprintf("%s  %s", e.Text, clip(e.Hex)))
		}
	}
	p("  判定 verdict  %s  %s  [%s]\n", marks[v.Outcome], v.Zh, v.Reason)
	if v.Legal != "" {
		p("                %s\n", v.Legal)
	}
	if v.HintZh != "" {
		p("                提示 hint：%s\n", v.HintZh)
	}
	for _, line := range gate {
		p("  闸机 gate     %s\n", line)
	}
	if len(gate) == 0 {
		p("  闸机 gate     没有收到命令，保持关闭 (no command, stays closed)\n")
	}
	p("  通过 passage  %s\n", passageText(s.last.Passage, s.verdict.Repeat))
	d.journalLine(s)
	if err := d.cloudLines(ctx, s); err != nil { // the verdict stands, whatever the cloud says
		p("  云端 cloud    没有答复 (no answer): %v\n\n", err)
	}
	return nil
}

func clip(hex string) string {
	if len(hex) > 60 {
		return hex[:60] + "…"
	}
	return hex
}

func passageText(state string, repeat bool) string {
	switch state {
	case "passed":
		return "已通过 (passed)"
	case "lapsed":
		return "未通过，已退回 (lapsed, entry given back)"
	case "uncertain":
		return "不确定，计为已入场 (uncertain, counted as in)"
	}
	if repeat {
		return "同一次扫码，结果不变 (same scan, same answer)"
	}
	return "无 (none)"
}

func (d *demo) journalLine(s *scanned) {
	switch {
	case s.verdict.Seq == 0:
		d.tool.printf("  账本 journal  未记（没有新的事实） (nothing new to record)\n")
	case s.last.EndSeq != 0:
		d.tool.printf("  账本 journal  判定 #%d，通过 #%d (decision, passage)\n", s.verdict.Seq, s.last.EndSeq)
	default:
		d.tool.printf("  账本 journal  判定 #%d (decision)\n", s.verdict.Seq)
	}
}

// cloudLines says what the cloud knows of it; while the line is cut it says that and how much waits.
func (d *demo) cloudLines(ctx context.Context, s *scanned) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var st edge.Status
	if err := d.station.get(ctx, "/api/v1/status", &st); err != nil {
		return err
	}
	if st.Uplink.State != "online" {
		d.tool.printf("  云端 cloud    断网，还不知道；待上传 %d 条 (not reached, %d facts wait)\n\n", st.Journal.Waiting, st.Journal.Waiting)
		return nil
	}
	a, err := d.sys.cloudAPI(ctx)
	if err != nil {
		return err
	}
	seq := max(s.verdict.Seq, s.last.EndSeq)
	if seq > 0 {
		if err := d.folded(ctx, a, seq); err != nil {
			return err
		}
	}
	var t cloud.TicketState
	if err := a.get(ctx, fmt.Sprintf("/api/v1/tickets/%d", s.pass.Ticket), &t); err != nil {
		return err
	}
	d.tool.printf("  云端 cloud    已收到并处理到 #%d；此票已入场 %d / %d 次，保管：%s\n\n", seq, t.Used, t.Max, holder(t.Holder))
	return nil
}

func holder(station string) string {
	if station == "" {
		return "云端 (cloud)"
	}
	return "驿站 " + station
}

// folded waits until the cloud has applied the station's fact seq.
func (d *demo) folded(ctx context.Context, a *api, seq uint64) error {
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		var st cloud.Status
		err := a.get(ctx, "/api/v1/status", &st)
		if err == nil && len(st.Stations) > 0 && st.Stations[0].Folded >= seq {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("云端还没有处理到 #%d (cloud is behind)", seq), ctx.Err(), err)
		}
	}
}

// story tells everything step by step.
func (d *demo) story(ctx context.Context) error {
	say := func(n int, text string) { d.tool.printf("\n%s\n%d. %s\n", strings.Repeat("─", 72), n, text) }
	say(1, "一张新票到 1 号通道：扫码 → 判定 → 记账落盘 → 开闸 → 通过 → 云端知道 (a fresh ticket)")
	if err := d.scan(ctx, "1", true); err != nil {
		return err
	}
	say(2, "同一张票再来 2 号通道：已用过，不放行（原话出自 WH/T 93—2021 E.2.7-c） (the same ticket again)")
	if err := d.scan(ctx, "2", false); err != nil {
		return err
	}
	say(3, "断开到云端的线路：检票照常 (the line to the cloud is cut)")
	if err := d.cut(ctx); err != nil {
		return err
	}
	for _, lane := range []string{"1", "2"} {
		if err := d.scan(ctx, lane, true); err != nil {
			return err
		}
	}
	say(4, "断网时用过的票，换个通道也进不去 (used during the outage: refused at the other lane)")
	if err := d.scan(ctx, "1", false); err != nil {
		return err
	}
	say(5, "恢复线路：每条记录恰好上传一次，然后逐项比对 (the line is mended; everything arrives once)")
	if err := d.mend(ctx); err != nil {
		return err
	}
	return verify(ctx, d.tool, d.sys, 30*time.Second)
}
