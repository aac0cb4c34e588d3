// Command firmware-sim runs simulated devices and a network between station and cloud that can be cut, from a
// configuration file; its sub-commands steer them through a unix socket and show what they do.
//
// It knows its flags. Everything else is firmware-sim/bench, firmware-sim/control and firmware-sim/script.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/control"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "firmware-sim:", err)
		os.Exit(1)
	}
}

// run is the program without its process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		if c, ok := commands[args[0]]; ok {
			return c.steer(ctx, args[1:], stdin, stdout, stderr)
		}
	}
	return simulate(ctx, args, stderr)
}

// simulate returns after everything has been taken down.
func simulate(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("firmware-sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	file := flags.String("config", "", "`FILE` with the devices to simulate (JSON)")
	socket := flags.String("socket", "", "`PATH` of the unix socket for control; none if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file == "" || flags.NArg() > 0 {
		return errors.New("want --config FILE [--socket PATH], or one of act, acts, devices, watch, log, script")
	}
	raw, err := os.ReadFile(*file)
	if err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	config, err := bench.ParseConfig(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	b, err := bench.New(config, log)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.Run(ctx) })
	if *socket != "" {
		group.Go(func() error { return control.NewServer(b, log).Run(ctx, *socket) })
	}
	return group.Wait()
}
