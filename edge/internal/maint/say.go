package maint

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"yipiao/drivers"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

// sayView is the first sentence: what works, then what needs a person, worst first.
type sayView struct {
	Dot, Head string
	Items     []item
}

type item struct{ Dot, Head, Text string }

func newSay(s webui.Speaker, o *Overview, now time.Time) sayView {
	v := sayView{Items: items(s, o, now)}
	able, broken := 0, false
	for i := range o.Lanes {
		if laneClass(&o.Lanes[i]) != "bad" {
			able++
		}
		broken = broken || o.Lanes[i].Last.Verdict.Reason == ticket.StationFault
	}
	switch {
	case len(o.Lanes) == 0:
		v.Dot, v.Head = "off", s.T("say.no_lanes")
	case broken, o.Storage.Failed:
		v.Dot, v.Head = "bad", s.T("say.cannot_record")
	case !o.Clock.Trusted:
		v.Dot, v.Head = "bad", s.T("say.clock")
	case able == 0:
		v.Dot, v.Head = "bad", s.T("say.none_able")
	case o.Uplink.State == Extreme:
		v.Dot, v.Head = "ok", s.T("say.extreme")
	case len(v.Items) > 0:
		v.Dot, v.Head = "ok", s.T("say.things", len(v.Items))
	default:
		v.Dot, v.Head = "ok", s.T("say.fine")
	}
	return v
}

// words are marks in a row.
func words(s webui.Speaker, all []mark) string {
	var list []string
	for _, m := range all {
		list = append(list, m.Word)
	}
	return strings.Join(list, s.T("comma"))
}

// items lists what is not in order, worst first.
func items(s webui.Speaker, o *Overview, now time.Time) []item {
	var out []item
	for i := range o.Lanes {
		l := &o.Lanes[i]
		if !l.Open {
			out = append(out, item{"bad", s.T("item.lane_closed", l.Title), s.T("item.lane_closed.text")})
		}
	}
	for _, d := range o.Devices {
		switch d.Health.State {
		case drivers.StateLost:
			out = append(out, item{"bad", s.T("item.device_lost", d.Name), s.T("item.device_lost.text", d.Port)})
		case drivers.StateAttention:
			why := d.Health.Note
			if all := supplies(s, d.Printer); spoken(all) {
				why = words(s, all)
			}
			out = append(out, item{"warn", s.T("item.device_attention", d.Name), why})
		case drivers.StateOK:
		}
	}
	if o.Uplink.State == Backup {
		out = append(out, item{"warn", s.T("item.backup_line"), s.T("item.backup_line.text")})
	}
	if o.Uplink.State == Extreme {
		out = append(out, item{"off", s.T("item.extreme"), s.T("item.extreme.text")})
	} else if late(o, now) {
		out = append(out, item{"warn", s.T("item.queue", waiting(o.Journal)), s.T("item.queue.text")})
	}
	if o.Storage.Low {
		out = append(out, item{"warn", s.T("item.disk_low"), s.T("item.disk_low.text")})
	}
	if o.Storage.Damaged {
		out = append(out, item{"bad", s.T("item.damaged"), s.T("item.damaged.text")})
	}
	if o.Storage.Rereading {
		out = append(out, item{"warn", s.T("item.rereading"), s.T("item.rereading.text")})
	}
	if o.Backup != nil && o.Backup.Failed != "" {
		out = append(out, item{"warn", s.T("item.backup"), s.T("backup.why." + o.Backup.Failed)})
	}
	if o.Aside > 0 {
		out = append(out, item{"warn", s.T("item.aside", o.Aside), s.T("item.aside.text")})
	}
	worst := map[string]int{"bad": 0, "warn": 1, "off": 2}
	slices.SortStableFunc(out, func(a, b item) int { return cmp.Compare(worst[a.Dot], worst[b.Dot]) })
	return out
}
