package edge

import (
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/maint"
	"yipiao/edge/internal/uplink"
)

// pageSource is what the station's page shows.
type pageSource struct{ s *Station }

// Overview implements maint.Source.
func (p pageSource) Overview() maint.Overview {
	s := p.s
	st := s.ledger.Stats()
	up := s.monitor.Status()
	now, offset, trusted := s.clock.Now()
	o := maint.Overview{
		Station: s.id.Station, Name: s.id.Venue,
		Uplink:      uplinkPage(up),
		Feed:        maint.Feed{Epoch: st.Feed.Epoch, Cursor: st.Feed.Cursor, CaughtUp: caughtUp(st) && up.State.Reaches()},
		Journal:     maint.Journal{End: st.End, Durable: st.Durable, Acked: st.Acked, Oldest: s.oldest(st.Acked, st.Durable)},
		Clock:       maint.Clock{OffsetMs: int64(offset), Trusted: trusted},
		Aside:       st.Aside,
		Storage:     maint.Storage{Failed: st.Failed != "", Low: st.Low, Damaged: st.Damaged != "", Rereading: st.Feed.CaughtUp == 0},
		RootOnlyKey: true, // keys lie in files: no TPM is used yet
		Backup:      s.backupPage(),
	}
	for _, se := range st.Sessions {
		o.Sessions = append(o.Sessions, maint.Session{Session: se.Session, Sold: se.Tickets, Entered: se.Entered, Inside: se.Inside})
	}
	for _, u := range s.lanes {
		o.Lanes = append(o.Lanes, p.lane(u, now))
	}
	for _, d := range s.devices.Snapshot() {
		o.Devices = append(o.Devices, maint.Device{Name: d.Name, Kind: d.Title, Port: d.Port, Health: drivers.Health{
			State: d.State, LastGood: d.LastGood, Frames: d.Frames, Errors: d.Errors, Note: d.Note, Firmware: d.Firmware, Serial: d.Serial,
		}, Printer: d.Printer})
	}
	for _, h := range s.fleet.Handhelds() {
		o.Handhelds = append(o.Handhelds, maint.Handheld{
			Name: h.Device.Name, State: handheldState(h), Battery: h.Battery, Charging: h.Charging, Network: h.Network, Signal: h.Signal, Heard: h.At,
		})
	}
	return o
}

func uplinkPage(up uplink.Status) maint.Uplink {
	u := maint.Uplink{State: maint.UplinkState(up.State), Since: up.Since, Exchange: up.LastHeard}
	for i, l := range up.Links {
		u.Links = append(u.Links, maint.UplinkLink{Name: l.Name, Known: l.Known, Up: l.Up, Used: i == up.Active, RoundTrip: l.RoundTrip})
	}
	return u
}

func (p pageSource) lane(u *laneUnit, nowMs int64) maint.Lane {
	l := maint.Lane{
		Name: u.cfg.Name, Title: u.cfg.Title, Exit: u.cfg.Exit && !u.cfg.Entry, Open: !u.cfg.Closed,
		Today: p.s.tally.of(u.cfg.Name, nowMs), Scanner: p.state(u.cfg.Scanner), Gate: p.state(u.cfg.Gate),
	}
	if u.lane != nil {
		l.Last = u.lane.Last()
	} else {
		l.Last = p.s.doors.last(u.cfg.Name, p.s.ledger)
	}
	return l
}

func (p pageSource) state(device string) drivers.State {
	if d, ok := p.s.devices.Status(device); ok {
		return d.State
	}
	return ""
}

// oldest is the time of the first fact that waits for the cloud.
func (s *Station) oldest(acked, durable uint64) time.Time {
	if acked >= durable {
		return time.Time{}
	}
	e, err := s.ledger.Journal(acked+1, 1, 1)
	if err != nil || len(e) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(e[0].TimeMs)
}
