// Command firmware-sim runs simulated devices on pseudo-terminals, and a network between station and
// cloud that can be cut, from a configuration file, and is steered through a unix socket.
//
// It knows its flags. Everything else is firmware-sim/bench and firmware-sim/control.
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
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "firmware-sim:", err)
		os.Exit(1)
	}
}

// run is the program without its process: it returns after everything has been taken down.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("firmware-sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "`FILE` with the devices to simulate (JSON)")
	socket := flags.String("socket", "", "`PATH` of the unix socket for control; none if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file == "" || flags.NArg() > 0 {
		return errors.New("want --config FILE [--socket PATH]")
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
