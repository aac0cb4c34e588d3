package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/control"
	"yipiao/firmware-sim/script"
	"yipiao/firmware-sim/tape"
)

const usage = `firmware-sim --config FILE [--socket PATH]              模拟设备 / simulate devices
firmware-sim devices --socket PATH                      有哪些设备，状态如何 / what there is, and how it is
firmware-sim acts    --socket PATH [NAME]               能对它们做什么 / what can be done to them
firmware-sim act     --socket PATH NAME ACT [KEY=VALUE…] 做一件事 / do it
firmware-sim log     --socket PATH [NAME]               收发的报文与发生的事 / messages and what happened
firmware-sim watch   --socket PATH [NAME]               同上，持续 / the same, and what follows
firmware-sim script  --socket PATH FILE                 逐行执行，- 为标准输入 / do what FILE lists
`

// watchWait is how long one question for news waits.
const watchWait = 30 * time.Second

// A command is a sub-command that steers a running simulator.
type command struct {
	args string // after the flags
	most int    // how many of them; -1 any
	do   func(ctx context.Context, s *steering) error
}

// A steering is one call of a sub-command.
type steering struct {
	client *control.Client
	args   []string
	stdin  io.Reader
	stdout io.Writer
	screen *tape.Screen
}

var commands = map[string]command{
	"devices": {"", 0, listDevices},
	"acts":    {"[NAME]", 1, listActs},
	"act":     {"NAME ACT [KEY=VALUE…]", -1, doAct},
	"log":     {"[NAME]", 1, showLog},
	"watch":   {"[NAME]", 1, watch},
	"script":  {"FILE", 1, runScript},
}

func (c command) steer(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("firmware-sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	socket := flags.String("socket", "", "`PATH` of the simulator's control socket")
	all := flags.Bool("all", false, "log, watch: show polling that only repeats, too")
	bytes := flags.Int("bytes", 32, "log, watch: show at most `N` bytes of a message; 0 is all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *socket == "" || c.most >= 0 && flags.NArg() > c.most {
		return fmt.Errorf("want --socket PATH %s", c.args)
	}
	client := control.NewClient(*socket)
	defer client.Close()
	return c.do(ctx, &steering{
		client: client, args: flags.Args(), stdin: stdin, stdout: stdout,
		screen: &tape.Screen{W: stdout, All: *all, Bytes: *bytes},
	})
}

func listDevices(ctx context.Context, s *steering) error {
	devices, err := s.client.Devices(ctx)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if _, err := fmt.Fprintf(s.stdout, "%-14s %-12s %-28s %s\n    %s\n", d.Name, d.Kind, d.Line.Path, plug(d), d.State); err != nil {
			return err
		}
	}
	return nil
}

func plug(d bench.Device) string {
	switch {
	case !d.Line.Plugged:
		return "已拔出 unplugged"
	case d.Line.Open:
		return "在用 open"
	}
	return "已插入 plugged in"
}

func listActs(ctx context.Context, s *steering) error {
	names := s.args
	if len(names) == 0 {
		devices, err := s.client.Devices(ctx)
		if err != nil {
			return err
		}
		for _, d := range devices {
			names = append(names, d.Name)
		}
	}
	for _, name := range names {
		acts, err := s.client.Acts(ctx, name)
		if err != nil {
			return err
		}
		for _, a := range acts {
			if _, err := fmt.Fprintf(s.stdout, "%-14s %-10s %s\n    %s\n", name, a.Name, keys(a), a.Does); err != nil {
				return err
			}
		}
	}
	return nil
}

func keys(a bench.Act) string {
	var all []string
	for _, k := range a.Keys {
		all = append(all, k.Name+"="+strings.ToUpper(k.Type))
	}
	return strings.Join(all, " ")
}

// doAct does what a line of a script does; the shell has taken the quotes away.
func doAct(ctx context.Context, s *steering) error {
	if len(s.args) < 2 {
		return errors.New("want NAME ACT [KEY=VALUE…]; firmware-sim acts lists them")
	}
	acts, err := s.client.Acts(ctx, s.args[0])
	if err != nil {
		return err
	}
	for _, a := range acts {
		if a.Name != s.args[1] {
			continue
		}
		args, err := script.Arguments(a, s.args[2:])
		if err != nil {
			return err
		}
		return s.client.Act(ctx, s.args[0], a.Name, args)
	}
	return fmt.Errorf("%s has no act %q; firmware-sim acts %s lists what it has", s.args[0], s.args[1], s.args[0])
}

func (s *steering) device() string {
	if len(s.args) > 0 {
		return s.args[0]
	}
	return ""
}

func showLog(ctx context.Context, s *steering) error {
	events, _, err := s.client.Events(ctx, s.device(), 0, 0)
	if err != nil {
		return err
	}
	return s.screen.Show(events...)
}

// watch shows everything until it is interrupted.
func watch(ctx context.Context, s *steering) error {
	var since uint64
	for ctx.Err() == nil {
		events, last, err := s.client.Events(ctx, s.device(), since, watchWait)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		since = last
		if err := s.screen.Show(events...); err != nil {
			return err
		}
	}
	return nil
}

func runScript(ctx context.Context, s *steering) error {
	if len(s.args) != 1 {
		return errors.New("want the script's FILE, or -")
	}
	var text []byte
	var err error
	if s.args[0] == "-" {
		text, err = io.ReadAll(s.stdin)
	} else {
		text, err = os.ReadFile(s.args[0])
	}
	if err != nil {
		return fmt.Errorf("read script: %w", err)
	}
	list, err := script.Parse(string(text))
	if err != nil {
		return fmt.Errorf("%s:\n%w", s.args[0], err)
	}
	if err := list.Run(ctx, s.client, s.stdout); err != nil {
		return fmt.Errorf("%s:\n%w", s.args[0], err)
	}
	return nil
}
