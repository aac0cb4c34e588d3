package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A figure is one line of the bench's output. Ratio is value to baseline, or baseline to value where
// less is better (unit "B" or "ms"): more is always better. OK is null where no goal applies.
type figure struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Baseline float64  `json:"baseline,omitempty"`
	Ratio    float64  `json:"ratio,omitempty"`
	Goal     *float64 `json:"goal,omitempty"`
	OK       *bool    `json:"ok"`
}

// benchRun collects figures of one run.
type benchRun struct {
	tool    *tool
	raw     float64 // append + fdatasync, one thread, operations a second
	rawP99  time.Duration
	span    time.Duration // of each measurement
	figures []figure
}

func cmdBench(ctx context.Context, t *tool, args []string) error {
	fs := t.flags("bench")
	out := fs.String("out", "", "append one JSON line per figure to this `file`")
	span := fs.Duration("span", 2*time.Second, "length of each measurement")
	if err := parse(fs, args); err != nil {
		return err
	}
	root, err := filepath.Abs(t.dir) // the station's configuration counts paths from its own folder
	if err != nil {
		return err
	}
	base := filepath.Join(root, "bench")
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(base, "run-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &benchRun{tool: t, span: *span}
	if err := b.measureRaw(ctx, dir); err != nil {
		return err
	}
	if err := b.measureStation(ctx, dir); err != nil {
		return err
	}
	b.table()
	if *out == "" {
		return nil
	}
	return b.write(*out)
}

// rate adds a figure in operations a second with a goal as a multiple of raw.
func (b *benchRun) rate(name string, value, goal float64) {
	f := figure{Name: name, Value: value, Unit: "1/s", Baseline: b.raw, Ratio: value / b.raw}
	if goal > 0 {
		ok := f.Ratio >= goal
		f.Goal, f.OK = &goal, &ok
	}
	b.add(f)
}

// most adds a figure that must not exceed a goal in its own unit.
func (b *benchRun) most(name, unit string, value, goal float64) {
	f := figure{Name: name, Value: value, Unit: unit}
	if goal > 0 {
		ok := value <= goal
		f.Goal, f.OK = &goal, &ok
		f.Baseline, f.Ratio = goal, goal/value
	}
	b.add(f)
}

func (b *benchRun) add(f figure) {
	b.figures = append(b.figures, f)
	b.tool.printf("  %-34s %12.1f %s\n", f.Name, f.Value, f.Unit)
}

func (b *benchRun) table() {
	met, of := 0, 0
	b.tool.printf("\n  %-34s %12s %-5s %8s %8s  %s\n", "figure", "value", "unit", "ratio", "goal", "ok")
	for _, f := range b.figures {
		goal, ok := "–", "–"
		if f.Goal != nil {
			goal = fmt.Sprintf("%.2f", *f.Goal)
			of++
			ok = "no"
			if *f.OK {
				met++
				ok = "yes"
			}
		}
		b.tool.printf("  %-34s %12.1f %-5s %8.2f %8s  %s\n", f.Name, f.Value, f.Unit, f.Ratio, goal, ok)
	}
	b.tool.printf("  %d of %d met; raw p99 %s\n", met, of, b.rawP99)
}

func (b *benchRun) write(path string) error {
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
