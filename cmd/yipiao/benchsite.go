package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"yipiao/edge"
)

var discard = slog.New(slog.DiscardHandler)

// A benchSite is an enrolled station with its cloud. The station runs as a process of its own, or in this one.
type benchSite struct {
	bench      *benchRun
	cloud      *benchCloud
	stopCloud  context.CancelFunc
	dir        string
	lan, plain string
	who        account
	token      string
	codes      []string
	scanned    atomic.Int64 // of codes, from the first
	proc       *proc
}

// newSite enrols a station for a venue with so many tickets.
func (b *benchRun) newSite(ctx context.Context, name string, tickets int) (*benchSite, error) {
	s := &benchSite{bench: b, dir: filepath.Join(b.dir, name)}
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return nil, err
	}
	ctx, s.stopCloud = context.WithCancel(ctx)
	var err error
	if s.cloud, err = newBenchCloud(ctx, tickets); err != nil {
		return nil, err
	}
	s.codes = s.cloud.codes()
	code, err := s.cloud.code()
	if err != nil {
		return nil, err
	}
	done, err := edge.Enroll(ctx, s.data(), code)
	if err != nil {
		return nil, err
	}
	s.who = account{done.Account, done.Password}
	if s.lan, err = free(); err != nil {
		return nil, err
	}
	if s.plain, err = free(); err != nil {
		return nil, err
	}
	return s, s.configure(nil, nil)
}

func (s *benchSite) data() string { return filepath.Join(s.dir, "station") }

func (s *benchSite) file() string { return filepath.Join(s.dir, "station.json") }

// configure writes the station's configuration: a door for handhelds, and what else there is.
func (s *benchSite) configure(devices, lanes []map[string]any) error {
	lanes = append(lanes, map[string]any{"name": "door", "groups": []int{1}, "entry": true, "exit": true})
	return writeJSON(s.file(), map[string]any{
		"data": s.data(), "listen": map[string]any{"lan": s.lan, "plain": s.plain}, "devices": devices, "lanes": lanes,
	})
}

// free finds a loopback port that nobody uses.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// close ends station and cloud and throws the data away.
func (s *benchSite) close() {
	if s.proc != nil {
		_ = s.proc.stop()
	}
	s.stopCloud()
	_ = os.RemoveAll(s.dir)
}

// launch starts the station as a process.
func (s *benchSite) launch() (err error) {
	s.proc, err = start("stationd", s.dir, "-config", s.file(), "-log", "warn")
	return err
}

// stop ends the process in order, kill at once.
func (s *benchSite) stop() error { return s.proc.stop() }

func (s *benchSite) kill() error {
	err := s.proc.cmd.Process.Kill()
	<-s.proc.done
	return err
}

// loaded waits until the station has applied everything of the feed so far.
func (s *benchSite) loaded(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.cloud.applied(ctx, s.cloud.change(0)); err != nil {
		return fmt.Errorf("the station did not load its tickets: %w", err)
	}
	return nil
}

// register makes the token of a device that may check and read. The station answers already.
func (s *benchSite) register(ctx context.Context) error {
	a := &api{name: "station", base: "http://" + s.plain, http: http.DefaultClient}
	if err := a.login(ctx, s.who); err != nil {
		return err
	}
	d, err := addDevice(ctx, a, "bench", []string{"door"}, []string{"check", "read"})
	s.token = d.Token
	return err
}

// answers waits until the station's listeners are open.
func (s *benchSite) answers(ctx context.Context) error {
	return until(ctx, s.proc, readyIn, func(ctx context.Context) error { return answers(ctx, s.plain) })
}

// inside runs the station in this process while use runs. change may change its configuration.
func (s *benchSite) inside(ctx context.Context, change func(*edge.Config), use func(*edge.Station) error) error {
	cfg, err := edge.LoadConfig(s.file())
	if err != nil {
		return err
	}
	if change != nil {
		change(&cfg)
	}
	st, err := edge.New(cfg, discard)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- st.Run(running) }()
	err = use(st)
	cancel()
	return errors.Join(err, <-ended)
}

// fresh is a code that no scanner has read yet.
func (s *benchSite) fresh() string { return s.codes[s.scanned.Add(1)-1] }
