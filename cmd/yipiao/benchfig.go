package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A figure is one line of the bench's output. Value is null where it could not be measured; Note says why.
// Ratio is value to baseline: for rates the baseline is raw of the same moment (or a peer), more is better;
// for times it is the raw p99, where less is better. Goal is a ratio where GoalOf is "ratio", else in Unit.
// OK is null where no goal applies, or where the disk was too slow for an absolute one.
type figure struct {
	Section  string   `json:"section"`
	Name     string   `json:"name"`
	Way      string   `json:"way,omitempty"`   // in process | https | http | redis | …
	State    string   `json:"state,omitempty"` // quiet | deltas
	Tickets  int      `json:"tickets,omitempty"`
	Callers  int      `json:"callers,omitempty"`
	Value    *float64 `json:"value"`
	Unit     string   `json:"unit"`
	P50      float64  `json:"p50_ms,omitempty"`
	P99      float64  `json:"p99_ms,omitempty"`
	P999     float64  `json:"p999_ms,omitempty"`
	Baseline float64  `json:"baseline,omitempty"`
	Of       string   `json:"baseline_of,omitempty"` // raw | raw p99 | redis | postgresql
	Ratio    float64  `json:"ratio,omitempty"`
	Goal     *float64 `json:"goal,omitempty"`
	GoalOf   string   `json:"goal_of,omitempty"` // ratio | value (at most) | least (value)
	OK       *bool    `json:"ok"`
	Note     string   `json:"note,omitempty"`
}

func number(v float64) *float64 { return &v }

func said(ok bool) *bool { return &ok }

// atLeast sets a goal for the ratio: at least this multiple of the baseline.
func (f *figure) atLeast(goal float64) {
	if goal > 0 {
		f.Goal, f.GoalOf, f.OK = number(goal), "ratio", said(f.Ratio >= goal)
	}
}

// most is a figure that must not exceed a goal in its own unit.
func most(section, name, unit string, value, goal float64) figure {
	return figure{Section: section, Name: name, Unit: unit, Value: number(value), Goal: number(goal), GoalOf: "value", OK: said(value <= goal)}
}

// plain is a figure without a goal.
func plain(section, name, unit string, value float64) figure {
	return figure{Section: section, Name: name, Unit: unit, Value: number(value)}
}

// least is a figure that must reach a goal in its own unit.
func least(section, name, unit string, value, goal float64) figure {
	return figure{Section: section, Name: name, Unit: unit, Value: number(value), Goal: number(goal), GoalOf: "least", OK: said(value >= goal)}
}

// slowRaw is the raw p99 in ms above which a disk is too slow, or the machine too busy, for absolute times.
const slowRaw = 1.0

// against relates an absolute time to the raw p99 (ms) of the same moment, and judges it and rates of rows only
// where that was good.
func (f figure) against(rawP99 float64) figure {
	value := *f.Value
	if f.Unit == "s" {
		value *= 1000
	}
	if f.Unit == "s" || f.Unit == "ms" {
		f.Baseline, f.Of, f.Ratio = rawP99, "raw p99", value/rawP99
	}
	if rawP99 > slowRaw && f.Goal != nil {
		f.OK = nil
		f.Note = strings.TrimSpace(f.Note + " (raw p99 above 1 ms)")
	}
	return f
}

// add shows a figure as soon as it is known: a run takes minutes.
func (b *benchRun) add(f figure) {
	b.figures = append(b.figures, f)
	b.tool.printf("    %s\n", f.line())
}

func (f *figure) title() string {
	parts := []string{f.Name}
	if f.Way != "" {
		parts = append(parts, f.Way)
	}
	if f.Tickets > 0 {
		parts = append(parts, fmt.Sprintf("%dk", f.Tickets/1000))
	}
	if f.State != "" {
		parts = append(parts, f.State)
	}
	if f.Callers > 0 {
		parts = append(parts, fmt.Sprintf("×%d", f.Callers))
	}
	return strings.Join(parts, " ")
}

func (f *figure) line() string {
	value, ratio, goal, ok, times := "–", "", "", "", ""
	if f.Value != nil {
		value = trim(*f.Value)
	}
	if f.Ratio != 0 {
		ratio = trim(f.Ratio) + "× " + f.Of
	}
	if f.Goal != nil {
		goal, ok = map[string]string{"ratio": "≥ ", "value": "≤ ", "least": "≥ "}[f.GoalOf]+trim(*f.Goal), "·"
		if f.OK != nil {
			ok = map[bool]string{true: "yes", false: "NO"}[*f.OK]
		}
	}
	if f.P99 > 0 {
		times = fmt.Sprintf("%s/%s/%s ms", trim(f.P50), trim(f.P99), trim(f.P999))
	}
	return strings.TrimRight(fmt.Sprintf("%-52s %10s %-6s %-18s %-8s %-3s  %s %s", f.title(), value, f.Unit, ratio, goal, ok, times, f.Note), " ")
}

func trim(v float64) string {
	switch {
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// table prints all figures by section, with how many goals were met. "·" is a goal that this run cannot judge.
func (b *benchRun) table() {
	met, of, open := 0, 0, 0
	var sections []string
	by := make(map[string][]*figure)
	for i := range b.figures {
		f := &b.figures[i]
		if by[f.Section] == nil {
			sections = append(sections, f.Section)
		}
		by[f.Section] = append(by[f.Section], f)
	}
	b.tool.printf("\n    %-52s %10s %-6s %-18s %-8s %-3s  p50/p99/p99.9\n", "figure", "value", "unit", "ratio", "goal", "met")
	for _, s := range sections {
		m, n := 0, 0
		b.tool.printf("  %s\n", s)
		for _, f := range by[s] {
			b.tool.printf("    %s\n", f.line())
			switch {
			case f.Goal == nil:
			case f.OK == nil:
				open++
			default:
				n++
				if *f.OK {
					m++
				}
			}
		}
		b.tool.printf("    %d of %d met\n", m, n)
		met, of = met+m, of+n
	}
	b.tool.printf("  %d of %d met, %d not judged\n", met, of, open)
}

func (b *benchRun) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for i := range b.figures {
		if err := enc.Encode(&b.figures[i]); err != nil {
			return err
		}
	}
	return f.Close()
}
