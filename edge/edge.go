package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/clock"
	"yipiao/edge/internal/desk"
	"yipiao/edge/internal/devices"
	"yipiao/edge/internal/enrol"
	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
	"yipiao/edge/internal/maint"
	"yipiao/edge/internal/supervise"
	"yipiao/edge/internal/uplink"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
)

// Times of the station's housekeeping.
const (
	probeEvery    = 3 * time.Second
	probeDeadline = 2 * time.Second
	feedWaitMs    = 25_000
	rowsPerPage   = 1000 // while gates may be active: storage-and-scale.md part 3
)

// A Station is an assembled station. New opens its files; Run works until its context ends and then
// closes them.
type Station struct {
	cfg     Config
	id      *enrol.Identity
	log     *slog.Logger
	clock   clockSource
	ledger  *ledger.Ledger
	fleet   *fleet.Fleet
	devices *devices.Set
	lanes   []*laneUnit
	board   *lane.Board
	cloud   *uplinks
	monitor *uplink.Monitor
	sync    *replica.Runner
	desk    *desk.Desk
	backup  *backup.Keeper
	revoked atomic.Bool // the cloud refuses this machine
	web     *web
	bridges *bridges
	tests   *deviceTests
	tally   tally
	// recovered is the last fact of before the start.
	recovered uint64
	doors     doors
	told      map[string]devices.Status // of each device, what the journal has; for deviceHealth alone
	started   time.Time
	asked     atomic.Int64 // when a verdict was last given, Unix milliseconds of the machine
}

// clockSource is clock.Clock; tests set the time by hand.
type clockSource interface {
	Now() (ms int64, offsetMs int32, trusted bool)
	Measured(cloudMs int64, sent, got time.Time) (change time.Duration)
	Floor(ms int64)
	Watch() (by time.Duration, followed bool)
}

// New validates the configuration, opens journal and catalogue, and assembles everything. Nothing
// runs and nobody is answered before Run. It returns ErrNotEnrolled for a machine without an identity.
func New(cfg Config, log *slog.Logger) (*Station, error) {
	return assemble(cfg, log, nil)
}

func assemble(cfg Config, log *slog.Logger, clk clockSource) (*Station, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if restoring(cfg.Data) {
		return nil, ErrRestoring
	}
	id, err := enrol.Load(cfg.Data)
	if err != nil {
		return nil, err
	}
	if clk == nil {
		clk = clock.New(id.Enrolled, nil)
	}
	s := &Station{cfg: cfg, id: id, log: log, clock: clk, board: lane.NewBoard(), started: time.Now(), told: map[string]devices.Status{}}
	if s.devices, err = devices.New(cfg.Devices, nil, log); err != nil {
		return nil, fmt.Errorf("设备配置有误 (devices): %w", err)
	}
	if s.ledger, err = openLedger(cfg, id, s.clock, s.observe, log); err != nil {
		return nil, err
	}
	now, _, _ := s.clock.Now()
	s.recovered = s.ledger.Durable().Seq
	s.tally.begin(now)
	s.loadRevoked()
	for _, step := range []func() error{s.assembleFleet, s.assembleBridges, s.assembleDeviceTests, s.assembleLanes, s.assembleSync, s.assembleDesk, s.assembleBackup, s.assembleWeb} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.ledger.Close())
		}
	}
	return s, nil
}

func (s *Station) assembleFleet() (err error) {
	s.fleet, err = fleet.Open(s.ledger, time.Now)
	return err
}

// Run works until ctx ends, then stops everything in order and writes a last checkpoint. An error is
// something that restarting the program does not mend, such as an address in use.
func (s *Station) Run(ctx context.Context) error {
	if _, err := s.ledger.Note(ctx, ticket.FactStationStarted, ticket.Note{Subject: s.id.Station.String(), State: "started"}); err != nil {
		return errors.Join(err, s.ledger.Close())
	}
	services := []supervise.Service{
		{Name: "devices", Run: s.devices.Run},
		{Name: "uplink", Run: s.monitor.Run},
		{Name: "download", Run: s.sync.RunDown},
		{Name: "upload", Run: s.sync.RunUp},
		{Name: "upkeep", Run: s.upkeep},
		{Name: "desk", Run: s.desk.Run},
		{Name: "backup", Run: s.backup.Run},
		{Name: "web", Run: s.web.run},
		{Name: "tally", Run: s.countToday},
		{Name: "device tests", Run: s.tests.run},
	}
	for _, l := range s.lanes {
		services = append(services, supervise.Service{Name: "lane " + l.cfg.Name, Run: l.run})
	}
	err := supervise.Run(ctx, s.log, services...)
	s.cloud.Close()
	s.shutdownBackup()
	return errors.Join(err, s.ledger.Close())
}

// countToday adds today's facts of before the start to the tally.
func (s *Station) countToday(ctx context.Context) error {
	now, _, _ := s.clock.Now()
	if err := s.tally.load(ctx, s.ledger, s.recovered, now); err != nil {
		return err
	}
	s.web.changed(maint.EventVerdict)
	<-ctx.Done()
	return nil
}

func (s *Station) measured(cloudMs int64, sent, got time.Time) {
	change := s.clock.Measured(cloudMs, sent, got)
	if change.Abs() < time.Second {
		return
	}
	s.log.Warn("clock adjusted to the cloud's", "change_ms", change.Milliseconds())
	s.note(ticket.FactClockAdjusted, ticket.Note{Subject: "clock", State: "measured", Value: change.Milliseconds()})
}

// watchClock says when somebody sets the machine's clock while the station runs.
func (s *Station) watchClock() error {
	by, followed := s.clock.Watch()
	if by == 0 {
		return nil
	}
	state := "jump_ignored"
	if followed {
		state = "ntp"
	}
	s.log.Warn("the machine's clock was set", "by_ms", by.Milliseconds(), "followed", followed)
	s.note(ticket.FactClockAdjusted, ticket.Note{Subject: "clock", State: state, Value: by.Milliseconds()})
	return nil
}

// note journals a fact that nobody waits for; a failing journal shows in every decision anyway.
func (s *Station) note(kind ticket.FactKind, n ticket.Note) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := s.ledger.Note(ctx, kind, n); err != nil {
		s.log.Error("fact not recorded", "kind", kind.String(), "error", err)
	}
}

func (s *Station) heard(direction string, _ int64, err error) {
	if direction == "feed" {
		s.refusedBy(err)
	}
	if err != nil {
		s.log.Debug("sync exchange failed", "direction", direction, "error", err)
		return
	}
	s.monitor.Heard(time.Now())
	s.web.changed(maint.EventFeed)
}

// observe is told every durable fact, in order.
func (s *Station) observe(o ledger.Observed) {
	s.tally.add(o)
	if o.Fact != nil {
		s.asked.Store(time.Now().UnixMilli())
	}
	if s.web == nil {
		return
	}
	s.web.changed(maint.EventQueue)
	if s.doors.add(o) {
		s.web.changed(maint.EventVerdict)
	}
}
