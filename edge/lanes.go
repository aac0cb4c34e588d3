package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/devices"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
)

// A laneUnit is a configured lane; lane is nil for a door that only handhelds serve.
type laneUnit struct {
	cfg     LaneConfig
	st      *Station
	lane    *lane.Lane
	scanner *devices.Scanner
	gate    *devices.Gate
}

func (s *Station) assembleLanes() error {
	var errs []error
	for _, c := range s.cfg.Lanes {
		u, err := s.newLane(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("通道 %s (lane): %w", c.Name, err))
			continue
		}
		s.lanes = append(s.lanes, u)
	}
	s.devices.OnHealth(s.deviceHealth)
	return errors.Join(errs...)
}

func (s *Station) newLane(c LaneConfig) (*laneUnit, error) {
	u := &laneUnit{cfg: c, st: s}
	if c.Scanner == "" {
		return u, nil
	}
	var err error
	if u.scanner, err = s.devices.Scanner(c.Scanner); err != nil {
		return nil, err
	}
	cfg := lane.Config{
		Name: c.Name, Kind: ticket.RequestEntry, Lane: u.present, PermitFor: time.Duration(c.PermitSeconds) * time.Second,
		OnFault: c.OnFault,
		Ledger:  s.ledger, Decide: ticket.Check, Now: time.Now, Log: s.log, Show: s.shown,
	}
	if c.Exit {
		cfg.Kind = ticket.RequestExit
	}
	if c.Gate != "" {
		if u.gate, err = s.devices.Gate(c.Gate); err != nil {
			return nil, err
		}
		cfg.Gate = u.gate
		if !u.gate.Counts() {
			cfg.Gate = struct{ drivers.Gate }{u.gate}
		}
	}
	u.lane, err = lane.New(cfg)
	return u, err
}

// present is the lane as the rules see it; its hall comes from the feed.
func (u *laneUnit) present() ticket.Lane {
	l := ticket.Lane{Name: u.cfg.Name, Open: !u.cfg.Closed, Entry: u.cfg.Entry, Exit: u.cfg.Exit, Groups: u.cfg.Groups}
	if u.cfg.Entry && u.st.revoked.Load() {
		l.Open = false
	}
	if len(l.Groups) > 0 {
		l.Hall = u.st.ledger.Hall(l.Groups[0])
	}
	return l
}

func (s *Station) lane(name string) (*laneUnit, bool) {
	for _, u := range s.lanes {
		if u.cfg.Name == name {
			return u, true
		}
	}
	return nil, false
}

// run wires the devices to the lane and runs it; the subscriptions end with it.
func (u *laneUnit) run(ctx context.Context) error {
	if u.lane == nil {
		<-ctx.Done()
		return nil
	}
	defer u.scanner.Subscribe(u.lane.Scan)()
	if u.gate != nil {
		defer u.gate.Subscribe(devices.GateEvents{
			Passage: func(p drivers.Passage) { u.lane.Passage(ctx, p) },
			Alarm:   u.alarm,
			Up: func(up devices.Up) {
				if up.NewRun {
					u.lane.GateUp(ctx)
				}
			},
			Down: func(down devices.Down) {
				if down.RunEnded {
					u.lane.GateDown(ctx)
				}
			},
		})()
	}
	return u.lane.Run(ctx)
}

// alarm journals what a gate raises: a person has to look.
func (u *laneUnit) alarm(a drivers.Alarm) {
	state := string(a.Kind)
	if !a.On {
		state += "_over"
	}
	u.st.log.Warn("gate alarm", "lane", u.cfg.Name, "alarm", state)
	u.st.note(ticket.FactDeviceStatus, ticket.Note{Subject: u.cfg.Gate, State: "alarm_" + state, Text: a.Note})
	u.st.web.changed(maint.EventDevice)
}

// shown is told everything a lane shows.
func (s *Station) shown(sh lane.Shown) {
	s.board.Post(sh)
	s.web.changed(maint.EventVerdict)
}
