package maint

import (
	"time"

	"yipiao/drivers"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

func newLane(s webui.Speaker, l *Lane, now time.Time) laneView {
	v := laneView{
		ID: "lane-" + webui.ID(l.Name), Title: l.Title, Class: laneClass(l), Chip: laneChip(s, l),
		Counts: laneCounts(s, l), Mark: s.NoVerdict(), Passage: passageMark(s, l.Last.Passage),
	}
	v.Head = v.Mark.Word
	if l.Scanner != "" {
		v.Devices = append(v.Devices, partMark(s, "lane.scanner", l.Scanner))
	}
	if l.Gate != "" {
		v.Devices = append(v.Devices, partMark(s, "lane.gate", l.Gate))
	}
	last := l.Last
	if last.At.IsZero() {
		return v
	}
	v.Mark = s.Verdict(last.Verdict)
	v.Head, v.Reason, v.Legal = s.Join(v.Mark.Word, last.Seat), v.Mark.Reason, v.Mark.Legal
	v.Holder, v.Flag, v.Repeat = last.Holder, v.Mark.Flag, last.Repeat
	v.Clock, v.Age = webui.Clock(last.At), s.Quiet(now, last.At) // nobody came: no reason to look
	return v
}

func partMark(s webui.Speaker, key string, st drivers.State) mark {
	m := deviceMark(s, st)
	m.Word = s.T(key, m.Word)
	return m
}

// laneClass is red for a lane that cannot pass people and amber for one that needs a look.
func laneClass(l *Lane) string {
	switch {
	case !l.Open, l.Scanner == drivers.StateLost, l.Gate == drivers.StateLost,
		l.Last.Verdict.Reason == ticket.StationFault:
		return "bad"
	case l.Scanner == drivers.StateAttention, l.Gate == drivers.StateAttention:
		return "warn"
	}
	return ""
}

func laneChip(s webui.Speaker, l *Lane) mark {
	switch {
	case !l.Open:
		return mark{"bad", s.T("lane.closed")}
	case l.Exit:
		return mark{"", s.T("lane.exit")}
	}
	return mark{"", s.T("lane.entry")}
}

func laneCounts(s webui.Speaker, l *Lane) string {
	if l.Exit {
		return s.T("lane.today_exit", l.Today.Exit, l.Today.Refuse)
	}
	return s.T("lane.today_entry", l.Today.Admit, l.Today.Refuse, l.Today.Hold)
}
