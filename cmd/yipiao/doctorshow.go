package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"yipiao/drivers/port/plug"
	"yipiao/edge"
)

// changeWords and doctorWords say stable codes to people.
var changeWords = map[plug.Change]string{
	plug.Plugged: "插上 plugged in", plug.Changed: "有变化 changed", plug.Unplugged: "拔掉 unplugged",
}

var doctorWords = map[string]string{
	"serial": "串口 serial", "hid": "HID", "evdev": "键盘 evdev", "lp": "打印机 lp",
	"ok": "正常 ok", "attention": "注意 attention", "lost": "失联 lost", "": "状态未知 unknown",
	edge.AtPlug: "已插上 plugged in", edge.AtNode: "节点在 node is there", edge.AtMissing: "没插上 not plugged in",
	edge.AtNetwork: "在网络上 on the network",
}

// show prints a diagnosis: what is plugged in, what is configured, what is to be done.
func (d *doctor) show(out *diagnosis) {
	if !out.HIDSupported {
		d.printf("！！本程序编译时没有 cgo：驱动不了任何 HID 设备 (!! THIS BUILD HAS NO CGO: IT DRIVES NO HID DEVICE)\n\n")
	}
	d.printf("插着的 (plugged in)：%d\n", len(out.Plugged))
	for i := range out.Plugged {
		d.showPlugged(&out.Plugged[i])
	}
	d.printf("\n已配置的 (configured)：%d\n", len(out.Devices))
	for i := range out.Devices {
		v := &out.Devices[i]
		d.printf("  %-12s %-10s %s；%s%s  %s\n", v.Name, v.Kind, doctorWords[v.At], doctorWords[v.State], remark(v.Note), v.Port)
	}
	if out.Note != "" {
		d.printf("  %s\n", out.Note)
	}
	if len(out.Problems) == 0 {
		d.printf("\n没有发现问题 (nothing is wrong)\n")
		return
	}
	d.printf("\n要处理的 (to put right)：%d\n", len(out.Problems))
	for i, p := range out.Problems {
		d.printf("  [%s] %s：%s\n", p.Code, p.Subject, p.Text)
		if p.Cure != "" && (i+1 == len(out.Problems) || out.Problems[i+1].Cure != p.Cure) {
			d.printf("      %s\n", p.Cure)
		}
	}
}

func remark(note string) string {
	if note == "" {
		return ""
	}
	return "（" + note + "）"
}

func (d *doctor) showPlugged(p *edge.PluggedIn) {
	d.printf("  %-10s %s  %s%s\n", doctorWords[string(p.Line)], p.Name, called(&p.Item), used(p))
	d.showDetails(&p.Item)
	d.showProposal(&p.Item, p.Proposal)
}

// called is what a thing is: its model, and what it calls itself.
func called(i *plug.Item) string {
	title := "不认识 (not known)"
	if i.Model != nil {
		title = i.Model.Title
	}
	if i.Model != nil && !i.Model.Sure && !i.Model.Ask && len(i.Model.Kinds) > 0 {
		title += "（推测 a guess）"
	}
	if i.USB == nil {
		return title
	}
	return strings.Join(slices.DeleteFunc([]string{title, i.USB.Vendor + ":" + i.USB.Product, i.USB.Manufacturer, i.USB.Name, i.USB.Serial}, func(s string) bool { return s == "" }), " ")
}

func used(p *edge.PluggedIn) string {
	if len(p.UsedBy) == 0 {
		return "  [未配置 not configured]"
	}
	return "  [" + strings.Join(p.UsedBy, ", ") + "]"
}

func (d *doctor) showDetails(i *plug.Item) {
	other := slices.DeleteFunc(slices.Clone(i.Names), func(n string) bool { return n == i.Name })
	if len(other) > 0 {
		d.printf("      也叫 (also)：%s\n", strings.Join(other, "  "))
	}
	for _, r := range []plug.Reason{i.Why, i.Fault} {
		if r.Code != "" {
			d.printf("      %s\n", r.Text)
		}
	}
}

// showProposal prints a device as station.json takes it.
func (d *doctor) showProposal(i *plug.Item, p *plug.Proposal) {
	if i.Model != nil && i.Model.Note.Code != "" {
		d.printf("      %s\n", i.Model.Note.Text)
	}
	if p == nil {
		return
	}
	text, err := json.Marshal(p)
	if err != nil {
		return
	}
	d.printf("      建议 (proposal)：%s\n", text)
	if len(i.Model.Kinds) > 1 {
		var kinds []string
		for _, k := range i.Model.Kinds {
			if k.Baud != 0 {
				kinds = append(kinds, fmt.Sprintf("%s %d", k.Kind, k.Baud))
			} else {
				kinds = append(kinds, k.Kind)
			}
		}
		d.printf("      kind：%s\n", strings.Join(kinds, " | "))
	}
}

// showEvent prints a change with the time of this machine.
func (d *doctor) showEvent(e *plug.Event, taken map[string]bool) {
	i := &e.Item
	d.printf("%s %s：%s %s  %s\n", time.Now().Format(time.TimeOnly), changeWords[e.Change], doctorWords[string(i.Line)], i.Name, called(i))
	if e.Change == plug.Unplugged {
		return
	}
	d.showDetails(i)
	d.showProposal(i, i.Propose(maps.Clone(taken)))
}

// showStep prints one step of a test.
func (d *doctor) showStep(s edge.DeviceTestStep) {
	line := fmt.Sprintf("%s [%s] %s", time.UnixMilli(s.AtMs).Format(time.TimeOnly), s.Code, s.Text)
	for _, k := range slices.Sorted(maps.Keys(s.Values)) {
		line += "  " + k + "=" + s.Values[k]
	}
	d.printf("%s\n", line)
}
