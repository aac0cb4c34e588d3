package edge

import (
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// Status is the station's state for programs (GET /api/v1/status). Ages are milliseconds, -1 for never.
type Status struct {
	Station   string           `json:"station"`
	Venue     string           `json:"venue"`
	Ready     bool             `json:"ready"` // lanes, devices and cloud are all in order
	UptimeMs  int64            `json:"uptime_ms"`
	Uplink    UplinkStatus     `json:"uplink"`
	Feed      FeedStatus       `json:"feed"`
	Journal   JournalStatus    `json:"journal"`
	Clock     ClockStatus      `json:"clock"`
	Tickets   int              `json:"tickets"`
	Aside     int              `json:"unreadable_entries"`
	Sessions  []SessionState   `json:"sessions"`
	Lanes     []LaneStatus     `json:"lanes"`
	Devices   []DeviceStatus   `json:"devices"`
	Handhelds []HandheldStatus `json:"handhelds"`
	Backup    BackupStatus     `json:"backup"`
	Attention []string         `json:"attention"` // what keeps Ready from being true, stable codes with a subject
}

// UplinkStatus is the way to the cloud.
type UplinkStatus struct {
	State       string       `json:"state"` // online | backup | extreme | unknown
	Link        string       `json:"link"`  // the uplink in use, "" for none
	SinceMs     int64        `json:"since_ms"`
	CloudAgeMs  int64        `json:"cloud_age_ms"`
	RoundTripUs int64        `json:"round_trip_us"`
	LastError   string       `json:"last_error,omitempty"`
	Links       []UplinkLink `json:"links"`
}

// UplinkLink is one of several ways to the cloud, in their order.
type UplinkLink struct {
	Name        string `json:"name"`
	Up          bool   `json:"up"`
	RoundTripUs int64  `json:"round_trip_us"`
	LastError   string `json:"last_error,omitempty"` // of the newest failure, although it may be up again
}

// FeedStatus is where the station stands in its feed.
type FeedStatus struct {
	Epoch    string `json:"epoch"`
	Cursor   uint64 `json:"cursor"`
	CaughtUp bool   `json:"caught_up"`
	Resyncs  uint64 `json:"resyncs"`
}

// JournalStatus is how far facts have come.
type JournalStatus struct {
	Epoch    uint32 `json:"epoch"`
	End      uint64 `json:"end"`
	Durable  uint64 `json:"durable"`
	Acked    uint64 `json:"acked"`
	Waiting  uint64 `json:"waiting"` // durable here, not yet at the cloud
	Covered  uint64 `json:"covered"` // by the catalogue's checkpoint
	Passages int    `json:"passages"`
	Syncs    uint64 `json:"syncs"` // since the start
	Bytes    uint64 `json:"bytes"` // of facts recorded since the start
	First    uint64 `json:"first"` // oldest fact kept
	Size     int64  `json:"size"`  // bytes of all segments
	Room     int64  `json:"room"`  // bytes of facts that can still be recorded
}

// ClockStatus is the station's clock.
type ClockStatus struct {
	OffsetMs int32 `json:"offset_ms"`
	Trusted  bool  `json:"trusted"`
}

// SessionState is a session with its counts.
type SessionState struct {
	ID      ticket.SessionID `json:"id"`
	Code    string           `json:"code"`
	Name    string           `json:"name"`
	Hall    string           `json:"hall"`
	StartMs int64            `json:"start_ms"`
	EndMs   int64            `json:"end_ms"`
	Tickets int64            `json:"tickets"`
	Entered int64            `json:"entered"`
	Inside  int64            `json:"inside"`
	// Admitting says that first entries are taken at this moment.
	Admitting bool `json:"admitting"`
}

// LaneStatus is a lane; At is 0 before anything was shown.
type LaneStatus struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Open    bool   `json:"open"`
	Scanner string `json:"scanner,omitempty"`
	Gate    string `json:"gate,omitempty"`
	AtMs    int64  `json:"at_ms"`
	Reason  string `json:"reason,omitempty"`
	Passage string `json:"passage,omitempty"`
}

// DeviceStatus is a device's health.
type DeviceStatus struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Port   string `json:"port"` // the line, as "/dev/ttyUSB0 9600 8N1"
	State  string `json:"state"`
	Note   string `json:"note,omitempty"`
	Frames uint64 `json:"frames"`
	Errors uint64 `json:"errors"`
	// What the device tells of itself; empty where it does not.
	Firmware string        `json:"firmware,omitempty"`
	Serial   string        `json:"serial,omitempty"`
	Printer  *PrinterState `json:"printer,omitempty"`
	LastMs   int64         `json:"last_good_ms,omitempty"` // when the last good frame came
}

// PrinterState is what a printer tells of itself; levels are ok, low, out, or "" for not known.
type PrinterState struct {
	Online bool          `json:"online"`
	Paper  drivers.Level `json:"paper,omitempty"`
	Ribbon drivers.Level `json:"ribbon,omitempty"`
	Cover  bool          `json:"cover_open"`
	Cutter bool          `json:"cutter_jammed"`
	Fault  bool          `json:"fault"`
}

// HandheldStatus is a handheld as it was last heard.
type HandheldStatus struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	State    string `json:"state"` // ok | attention | lost
	Battery  int    `json:"battery"`
	Charging bool   `json:"charging"`
	Network  string `json:"network"`
	Signal   int    `json:"signal_dbm,omitempty"`
	HeardMs  int64  `json:"heard_ms"`
}

// Status returns the present state.
func (s *Station) Status() Status {
	st := s.ledger.Stats()
	up := s.monitor.Status()
	now, offset, trusted := s.clock.Now()
	out := Status{
		Station: s.id.Station.String(), Venue: s.id.Venue, UptimeMs: time.Since(s.started).Milliseconds(),
		Uplink: UplinkStatus{State: string(up.State), CloudAgeMs: -1, RoundTripUs: up.RoundTrip.Microseconds(), LastError: up.LastError},
		Feed:   FeedStatus{Epoch: st.Feed.Epoch, Cursor: st.Feed.Cursor, CaughtUp: caughtUp(st), Resyncs: st.Feed.Resyncs},
		Journal: JournalStatus{
			Epoch: s.id.Epoch, End: st.End, Durable: st.Durable, Acked: st.Acked,
			Waiting: waiting(st), Covered: st.Checkpoint, Passages: st.Open, Syncs: st.Syncs, Bytes: st.Bytes,
			First: st.First, Size: st.JournalBytes, Room: st.Room,
		},
		Clock: ClockStatus{offset, trusted}, Tickets: st.Tickets, Aside: st.Aside, Attention: []string{},
	}
	for i, l := range up.Links {
		out.Uplink.Links = append(out.Uplink.Links, UplinkLink{l.Name, l.Up, l.RoundTrip.Microseconds(), l.LastError})
		if i == up.Active {
			out.Uplink.Link = l.Name
		}
	}
	if !up.Since.IsZero() {
		out.Uplink.SinceMs = up.Since.UnixMilli()
	}
	if age := s.cloudAge(); age >= 0 {
		out.Uplink.CloudAgeMs = age.Milliseconds()
	}
	for _, se := range st.Sessions {
		v := se.Session
		out.Sessions = append(out.Sessions, SessionState{
			ID: v.ID, Code: string(v.Code), Name: v.Name, Hall: v.HallName, StartMs: v.StartMs, EndMs: v.EndMs,
			Tickets: se.Tickets, Entered: se.Entered, Inside: se.Inside,
			Admitting: v.Status == ticket.SessionPlanned && v.AdmitFromMs <= now && now <= v.AdmitToMs,
		})
	}
	s.statusOfDevices(&out)
	out.attend()
	out.attendDisk(st)
	out.Backup = s.backupStatus()
	s.attendBackup(&out)
	if s.revoked.Load() {
		out.Attention, out.Ready = append(out.Attention, "revoked"), false
	}
	return out
}

func caughtUp(st ledger.Stats) bool { return st.Feed.Cursor > 0 && st.Feed.CaughtUp == st.Feed.Cursor }

func waiting(st ledger.Stats) uint64 {
	if st.Durable < st.Acked {
		return 0
	}
	return st.Durable - st.Acked
}

func (s *Station) statusOfDevices(out *Status) {
	for _, u := range s.lanes {
		l := LaneStatus{Name: u.cfg.Name, Title: u.cfg.Title, Open: !u.cfg.Closed, Scanner: u.cfg.Scanner, Gate: u.cfg.Gate}
		if last, ok := u.last(); ok {
			l.AtMs, l.Reason, l.Passage = last.At.UnixMilli(), string(last.Verdict.Reason), string(last.Passage)
		}
		out.Lanes = append(out.Lanes, l)
	}
	for _, d := range s.devices.Snapshot() {
		ds := DeviceStatus{
			Name: d.Name, Kind: d.Kind, Port: d.Port, State: string(d.State), Note: d.Note, Frames: d.Frames, Errors: d.Errors,
			Firmware: d.Firmware, Serial: d.Serial,
		}
		if p := d.Printer; p != nil {
			ds.Printer = &PrinterState{p.Online, p.Paper, p.Ribbon, p.Cover, p.Cutter, p.Error}
		}
		if !d.LastGood.IsZero() {
			ds.LastMs = d.LastGood.UnixMilli()
		}
		out.Devices = append(out.Devices, ds)
	}
	out.Handhelds = []HandheldStatus{}
	for _, h := range s.fleet.Handhelds() {
		out.Handhelds = append(out.Handhelds, HandheldStatus{
			ID: h.Device.ID, Name: h.Device.Name, State: string(handheldState(h)), Battery: h.Battery, Charging: h.Charging,
			Network: h.Network, Signal: h.Signal, HeardMs: h.At.UnixMilli(),
		})
	}
}

// attend lists what is not in order; a lane that was closed on purpose is.
func (st *Status) attend() {
	if st.Uplink.State != "online" {
		st.Attention = append(st.Attention, "uplink_"+st.Uplink.State)
	}
	if !st.Feed.CaughtUp {
		st.Attention = append(st.Attention, "feed_behind")
	}
	if !st.Clock.Trusted {
		st.Attention = append(st.Attention, "clock_untrusted")
	}
	if st.Aside > 0 {
		st.Attention = append(st.Attention, "unreadable_entries")
	}
	for _, d := range st.Devices {
		if d.State != "ok" {
			st.Attention = append(st.Attention, "device_"+d.State+":"+d.Name)
		}
	}
	st.Ready = len(st.Attention) == 0
}

// attendDisk adds what is wrong with the station's own storage.
func (st *Status) attendDisk(l ledger.Stats) {
	for _, c := range []struct {
		when bool
		code string
	}{{l.Failed != "", "journal_failed"}, {l.Failed == "" && l.Low, "disk_low"}, {l.Damaged != "", "catalogue_damaged"}} {
		if c.when {
			st.Attention = append(st.Attention, c.code)
		}
	}
	st.Ready = len(st.Attention) == 0
}

func (u *laneUnit) last() (lane.Shown, bool) {
	if u.lane == nil {
		return lane.Shown{}, false
	}
	s := u.lane.Last()
	return s, !s.At.IsZero()
}

// cloudAge is how old the cloud's newest word is; negative for never.
func (s *Station) cloudAge() time.Duration {
	if at := s.monitor.Status().LastHeard; !at.IsZero() {
		return time.Since(at)
	}
	return -1
}

// Digests is what `yipiao verify` compares with the cloud's (GET /api/v1/digests).
type Digests struct {
	Station  ticket.StationID `json:"station"`
	Feed     FeedStatus       `json:"feed"`
	Epoch    uint32           `json:"journal_epoch"`
	End      uint64           `json:"journal_end"`
	Durable  uint64           `json:"journal_durable"`
	Sum      string           `json:"journal_sum"` // chain value at Durable
	Quiet    bool             `json:"quiet"`       // nothing was decided while the digests were taken
	Sessions []DigestState    `json:"sessions"`
}

// DigestState is one session's digest.
type DigestState struct {
	ID      ticket.SessionID `json:"id"`
	Tickets int              `json:"tickets"`
	Used    int              `json:"used"`
	Digest  ticket.Digest    `json:"digest"`
}
