// Command stationd is the station server: it drives the devices of one station, decides at its lanes
// from its own data, and keeps in step with the cloud.
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

	"yipiao/edge"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "stationd:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	fs := flag.NewFlagSet("stationd", flag.ContinueOnError)
	fs.SetOutput(stderr)
	file := fs.String("config", "station.json", "configuration `file`")
	level := fs.String("log", "info", "log `level`: debug, info, warn, error")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(*level)); err != nil {
		return fmt.Errorf("-log: want debug, info, warn or error: %w", err)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: l}))
	cfg, err := edge.LoadConfig(*file)
	if err != nil {
		return err
	}
	station, err := edge.New(cfg, log)
	if err != nil {
		return err
	}
	go boundMemory(ctx)
	return station.Run(ctx)
}
