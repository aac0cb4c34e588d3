// Package script runs lists of acts on a bench of simulated devices: one act per line, with waits.
//
// It knows the lines, which README.md of firmware-sim lists, and asks the bench what each device can do. It must not
// know kinds of devices.
package script

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Script is a list of statements.
type Script struct{ lines []statement }

// A statement is one line. Exactly one of the parts below is set.
type statement struct {
	number int // from 1
	text   string

	act   *act
	wait  *span
	await *await
	seed  *uint64
}

// An act is NAME ACT key=value…; the device "wan" is the network.
type act struct {
	device, name string
	pairs        []pair
}

// A span is how long to wait: a time from and to.
type span struct{ from, to time.Duration }

// An await waits for an event of a device.
type await struct {
	device, kind string
	within       time.Duration
}

// defaultWithin is how long await waits where nothing else is said.
const defaultWithin = 5 * time.Second

// longest is the longest wait of one line: a typing mistake should not stop a demonstration for good.
const longest = time.Hour

// Parse reads a script. The error names every line that is wrong, and what was expected there.
func Parse(text string) (*Script, error) {
	s := &Script{}
	var wrong []error
	for i, line := range strings.Split(text, "\n") {
		st, err := parseLine(line)
		if err != nil {
			wrong = append(wrong, at(i+1, err))
			continue
		}
		if *st != (statement{}) { // an empty line, or a remark
			st.number, st.text = i+1, strings.TrimSpace(line)
			s.lines = append(s.lines, *st)
		}
	}
	return s, errors.Join(wrong...)
}

// at says on which line an error is.
func at(number int, err error) error {
	return fmt.Errorf("第 %d 行 (line %d): %w", number, number, err)
}

func parseLine(line string) (*statement, error) {
	bare, pairs, err := words(line)
	switch {
	case err != nil:
		return nil, err
	case len(bare) == 0 && len(pairs) == 0:
		return &statement{}, nil
	case len(bare) == 0:
		return nil, errors.New("应以设备名开头 (want a device's name first)")
	}
	switch bare[0] {
	case "wait":
		return parseWait(bare, pairs)
	case "await":
		return parseAwait(bare, pairs)
	case "seed":
		return parseSeed(bare, pairs)
	}
	if len(bare) != 2 {
		return nil, errors.New("应为：设备 动作 键=值… (want DEVICE ACT key=value…)")
	}
	return &statement{act: &act{device: bare[0], name: bare[1], pairs: pairs}}, nil
}

func parseWait(bare []string, pairs []pair) (*statement, error) {
	want := errors.New("应为 wait 300ms 或 wait 100ms..2s，不超过 1 小时 (want wait 300ms or wait 100ms..2s, an hour at most)")
	if len(bare) != 2 || len(pairs) > 0 {
		return nil, want
	}
	from, to, ranged := strings.Cut(bare[1], "..")
	if !ranged {
		to = from
	}
	a, errA := time.ParseDuration(from)
	b, errB := time.ParseDuration(to)
	if errA != nil || errB != nil || a < 0 || b < a || b > longest {
		return nil, want
	}
	return &statement{wait: &span{a, b}}, nil
}

func parseAwait(bare []string, pairs []pair) (*statement, error) {
	want := errors.New("应为 await 设备 事件 [within=5s] (want await DEVICE EVENT [within=5s])")
	if len(bare) != 3 || len(pairs) > 1 {
		return nil, want
	}
	a := &await{device: bare[1], kind: bare[2], within: defaultWithin}
	for _, p := range pairs {
		d, err := time.ParseDuration(p.value)
		if p.key != "within" || err != nil || d <= 0 || d > longest {
			return nil, want
		}
		a.within = d
	}
	return &statement{await: a}, nil
}

func parseSeed(bare []string, pairs []pair) (*statement, error) {
	if len(bare) == 2 && len(pairs) == 0 {
		if n, err := strconv.ParseUint(bare[1], 0, 64); err == nil {
			return &statement{seed: &n}, nil
		}
	}
	return nil, errors.New("应为 seed 数字 (want seed NUMBER)")
}

// devices lists the names that the script uses, each once.
func (s *Script) devices() []string {
	var names []string
	for _, st := range s.lines {
		name := ""
		switch {
		case st.act != nil:
			name = st.act.device
		case st.await != nil:
			name = st.await.device
		}
		if name != "" && name != network && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
