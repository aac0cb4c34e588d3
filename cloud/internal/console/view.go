package console

import (
	"cmp"
	"slices"
	"time"

	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

// maxFacts is how many facts and dead letters the page lists.
const maxFacts = 20

// A view is an Overview in words, as the templates write it out.
type view struct {
	Bar      barView
	KPIs     []kpi
	Stations []stationView
	Sessions []sessionView
	Facts    []factView
	Dead     []deadView
	DeadAll  int
	DeadMore int
}

// barView is the time of day at the cloud.
type barView struct{ Clock string }

type kpi struct {
	ID, Label, Value, Of, Detail string
	Dot                          string
}

type badge struct{ Class, Icon, Word string }

type stationView struct {
	ID, Code, Name  string
	Badge           badge
	Age             webui.Age
	Durable, Folded uint64
	Behind          uint64 // held, not applied yet
	Cursor          uint64
	HasCursor       bool
	AtHead          bool
	Epoch           uint32
}

type sessionView struct {
	ID, Name, Hall, Start string
	State                 webui.State
	Sold                  int64
	Entered               string
	Percent               int64
	Note                  string
}

func newView(s webui.Speaker, o Overview, now time.Time) view {
	v := view{Bar: barView{s.Present(now)}, KPIs: kpis(s, &o, now), DeadAll: max(o.DeadAll, len(o.Dead))}
	stations := slices.Clone(o.Stations)
	slices.SortStableFunc(stations, func(a, b Station) int {
		return cmp.Or(cmp.Compare(rank(&a, now), rank(&b, now)), cmp.Compare(a.ID, b.ID))
	})
	for i := range stations {
		v.Stations = append(v.Stations, newStation(s, &stations[i], o.Feed.Head, now))
	}
	gone := lost(o.Stations, now)
	for i := range o.Sessions {
		v.Sessions = append(v.Sessions, newSession(s, &o.Sessions[i], gone, now))
	}
	for i := range min(len(o.Facts), maxFacts) {
		v.Facts = append(v.Facts, newFact(s, &o.Facts[i]))
	}
	for i := range min(len(o.Dead), maxFacts) {
		v.Dead = append(v.Dead, newDead(s, &o.Dead[i], now))
	}
	v.DeadMore = v.DeadAll - len(v.Dead)
	return v
}

func inContact(st *Station, now time.Time) bool {
	return !st.Contact.IsZero() && now.Sub(st.Contact) <= lostAfter
}

// lost finds the stations that are out of contact. A revoked one is not awaited.
func lost(stations []Station, now time.Time) map[ticket.StationID]*Station {
	gone := make(map[ticket.StationID]*Station)
	for i := range stations {
		if st := &stations[i]; !st.Revoked && !inContact(st, now) {
			gone[st.ID] = st
		}
	}
	return gone
}

// rank sorts exceptions first.
func rank(st *Station, now time.Time) int {
	switch {
	case st.Revoked:
		return 2
	case inContact(st, now):
		return 1
	}
	return 0
}

func newStation(s webui.Speaker, st *Station, head uint64, now time.Time) stationView {
	v := stationView{
		ID: "station-" + webui.ID(uint64(st.ID)), Code: st.ID.String(), Name: st.Name, Age: s.Ago(now, st.Contact),
		Durable: st.Durable, Folded: st.Folded, Epoch: st.Epoch,
		Cursor: st.Cursor, HasCursor: st.Cursor != 0, AtHead: st.Cursor != 0 && st.Cursor >= head,
	}
	if st.Durable > st.Folded {
		v.Behind = st.Durable - st.Folded
	}
	switch {
	case st.Revoked:
		v.Badge = badge{"unknown", "cross", s.T("station.revoked")}
		v.Age = s.Quiet(now, st.Contact)
	case st.Contact.IsZero():
		v.Badge = badge{"unknown", "q", s.T("station.never")}
		v.Age.Class = ""
	case inContact(st, now):
		v.Badge = badge{"", "cable", s.T("station.online")}
	default:
		v.Badge = badge{"extreme", "unlink", s.T("station.lost")}
		v.Age = s.Lost(now, st.Contact)
	}
	return v
}

// newSession writes the entries of a session as "at least" while a station that holds its tickets is
// out of contact: they can only have grown.
func newSession(s webui.Speaker, x *Session, gone map[ticket.StationID]*Station, now time.Time) sessionView {
	v := sessionView{
		ID: "session-" + webui.ID(uint64(x.Session.ID)), Name: x.Session.Name, Hall: x.Session.HallName,
		Start: webui.Day(ticket.Time(x.Session.StartMs)), State: s.SessionState(&x.Session, now),
		Sold: x.Sold, Entered: webui.Num(x.Entered),
	}
	if x.Sold > 0 {
		v.Percent = min(100, 100*x.Entered/x.Sold)
	}
	for _, id := range x.Stations {
		st, is := gone[id]
		if !is {
			continue
		}
		v.Entered = "≥ " + webui.Num(x.Entered)
		v.Note = s.T("session.no_report", id.String())
		if !st.Contact.IsZero() {
			v.Note = s.T("session.as_of", id.String(), webui.Day(st.Contact))
		}
	}
	return v
}
