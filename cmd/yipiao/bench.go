package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// benchRun is one run of the bench.
type benchRun struct {
	tool    *tool
	dir     string // of this run, removed at its end
	span    time.Duration
	passes  int
	long    bool
	raw     *rawDisk
	began   time.Time
	figures []figure
}

// say shows progress on the tool's remarks.
func (b *benchRun) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.tool.errs, "  [%3.0f s] %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// A benchSection is a part of the bench that can be run alone.
type benchSection struct {
	name string
	run  func(*benchRun, context.Context) error
}

func benchSections() []benchSection {
	return []benchSection{
		{"gates", (*benchRun).gates}, {"checks", (*benchRun).checks}, {"slow", (*benchRun).slow},
		{"million", (*benchRun).million}, {"peers", (*benchRun).peers}, {"devices", (*benchRun).devices},
	}
}

func cmdBench(ctx context.Context, t *tool, args []string) error {
	fs := t.flags("bench")
	out := fs.String("out", "", "write one JSON line per figure to this `file`")
	only := fs.String("only", "gates,checks,slow,million", "`sections` to run: gates, checks, slow, million, peers, devices")
	work := fs.String("work", "", "`directory` for the data; its disk is what is measured (default DIR/bench; for peers /var/tmp, which other accounts can reach)")
	b := &benchRun{tool: t, began: time.Now()}
	fs.DurationVar(&b.span, "span", 700*time.Millisecond, "length of one measurement")
	fs.IntVar(&b.passes, "passes", 3, "measurements of each cell; the median counts")
	fs.BoolVar(&b.long, "long", false, "10 minutes for the bytes written per admission")
	if err := parse(fs, args); err != nil {
		return err
	}
	wanted := strings.Split(*only, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(benchSections(), func(s benchSection) bool { return s.name == name }) {
			return fmt.Errorf("没有这个部分 (no such section): %s", name)
		}
	}
	if *work == "" {
		*work = filepath.Join(t.dir, "bench")
		if slices.Contains(wanted, "peers") {
			*work = "/var/tmp"
		}
	}
	if err := b.prepare(*work); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	defer b.raw.close()
	for _, s := range benchSections() {
		if !slices.Contains(wanted, s.name) {
			continue
		}
		if err := s.run(b, ctx); err != nil {
			return fmt.Errorf("bench %s: %w", s.name, err)
		}
	}
	b.table()
	if *out == "" {
		return nil
	}
	return b.write(*out)
}

// prepare makes the run's own folder and its baseline.
func (b *benchRun) prepare(work string) error {
	work, err := filepath.Abs(work) // the station's configuration counts paths from its own folder
	if err != nil {
		return err
	}
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(work, "yipiao-bench-"); err != nil {
		return err
	}
	b.raw, err = newRawDisk(b.dir)
	return err
}
