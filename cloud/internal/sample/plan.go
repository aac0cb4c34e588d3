package sample

import (
	"fmt"
	"time"

	"yipiao/cloud/internal/store"
	"yipiao/sync/ticket"
)

// The invented theatre.
const (
	VenueName   = "样例大剧院"
	hallName    = "歌剧厅"
	hallCode    = ticket.HallCode("11010199901") // Annex B, a serial that no real venue has
	stationName = "主站"
	perRow      = 40 // seats
)

// A session's times around its start. Late-comers are let in until half an hour before its end.
const (
	opensBefore = 60 * time.Minute
	lastEntry   = 120 * time.Minute
	length      = 150 * time.Minute
	mustAdmit   = 30 * time.Minute // for so long from now on
)

// today is the day of now in Shanghai, as a span.
func today(now time.Time) (from, to time.Time) {
	d := now.In(ticket.Shanghai())
	from = time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, d.Location())
	return from, from.AddDate(0, 0, 1)
}

// admits reports whether people can enter from now on for at least mustAdmit.
func admits(s *store.Session, now time.Time) bool {
	return s.Status == ticket.SessionPlanned && s.Mode == ticket.CheckModeLAN &&
		s.AdmitFromMs <= now.UnixMilli() && s.AdmitToMs >= now.Add(mustAdmit).UnixMilli()
}

// rests reports whether nobody can enter now.
func rests(s *store.Session, now time.Time) bool {
	return s.Status == ticket.SessionPlanned && (s.AdmitFromMs > now.UnixMilli() || s.AdmitToMs < now.UnixMilli())
}

// startOpen is the start of a session of today that admits at now: in 20 minutes, or, shortly before
// midnight, at the last five minutes of today.
func startOpen(now time.Time) time.Time {
	_, midnight := today(now)
	floor := now.In(ticket.Shanghai()).Truncate(5 * time.Minute)
	if start := floor.Add(20 * time.Minute); start.Before(midnight) {
		return start
	}
	return floor
}

// startClosed is the start of a session of today that does not admit at now, and whether there is
// room for one: this evening, later today, or earlier, without meeting the open session where that
// can be; in an hour and a half at least otherwise.
func startClosed(now, open time.Time) (time.Time, bool) {
	from, midnight := today(now)
	apart := func(start time.Time) bool {
		return !start.Add(-opensBefore).Before(open.Add(length)) || !start.Add(length).After(open.Add(-opensBefore))
	}
	closed := func(start time.Time) bool {
		return start.Add(-opensBefore).After(now.Add(mustAdmit)) || start.Add(lastEntry).Before(now)
	}
	slots := []time.Time{from.Add(19*time.Hour + 30*time.Minute)}
	for t := now.In(ticket.Shanghai()).Truncate(30 * time.Minute); t.Before(midnight); t = t.Add(30 * time.Minute) {
		slots = append(slots, t)
	}
	for t := now.In(ticket.Shanghai()).Truncate(30 * time.Minute); !t.Before(from); t = t.Add(-30 * time.Minute) {
		slots = append(slots, t)
	}
	for _, fits := range []func(time.Time) bool{func(t time.Time) bool { return apart(t) && closed(t) }, closed} {
		for _, t := range slots {
			if fits(t) {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// newSession is a session of the sample's hall that starts at start; others are those of its day.
func newSession(start time.Time, others []store.Session, open bool) (store.Session, error) {
	ordinal := 1
	for _, o := range others {
		var n int
		if _, err := fmt.Sscanf(string(o.Code[19:]), "%02d", &n); err == nil && o.Code.Hall() == hallCode && n >= ordinal {
			ordinal = n + 1
		}
	}
	code, err := ticket.NewSessionCode(hallCode, start, ordinal)
	if err != nil {
		return store.Session{}, err
	}
	s := store.Session{MaxEntries: 1, Session: ticket.Session{
		Code: code, Type: "2001", Name: "样例音乐会《晨光》",
		StartMs: start.UnixMilli(), EndMs: start.Add(length).UnixMilli(),
		AdmitFromMs: start.Add(-opensBefore).UnixMilli(), AdmitToMs: start.Add(lastEntry).UnixMilli(),
		Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryNone,
	}}
	if open {
		s.Type, s.Name = "1001", "样例话剧《长街》"
	}
	return s, nil
}

// gate is the gate group of a seat number in its row: the left half of the hall has door 1.
func gate(number int) ticket.GateGroupID {
	if number <= perRow/2 {
		return 1
	}
	return 2
}

// A place is a seat of the hall.
type place struct {
	label string
	row   int
	gate  ticket.GateGroupID
}

// places are the seats of a hall of n seats, by row.
func places(n int) []place {
	out := make([]place, n)
	for i := range out {
		row, number := i/perRow+1, i%perRow+1
		out[i] = place{label: fmt.Sprintf("%02d排%02d座", row, number), row: row, gate: gate(number)}
	}
	return out
}

// price is what a seat of a row costs.
func price(row int) ticket.Fen {
	switch {
	case row <= 8:
		return 680_00
	case row <= 20:
		return 380_00
	}
	return 180_00
}
