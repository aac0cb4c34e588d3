package console

import (
	"time"

	"yipiao/sync/ticket"
)

// An Overview is everything that the page shows, as it is at one moment. Times are instants; the zero
// time means that it has never happened.
type Overview struct {
	Name     string // of the deployment, for example 示例票务
	Stations []Station
	// Sessions in order of start.
	Sessions []Session
	Feed     Feed
	Facts    []Fact // latest first; the page shows the first 20
	Dead     []DeadLetter
	DeadAll  int // how many there are in all, with those not in Dead
}

// A Station is a station as the cloud knows it.
type Station struct {
	ID      ticket.StationID
	Name    string
	Contact time.Time // last request from it
	Cursor  uint64    // feed position it has asked from; 0 if it has not asked
	Epoch   uint32    // of its journal
	Durable uint64    // last fact that the cloud holds
	Folded  uint64    // last fact that the cloud has applied
	Revoked bool
}

// A Session is a session with its counts over all stations.
type Session struct {
	Session  ticket.Session
	Stations []ticket.StationID // that hold its tickets
	Sold     int64
	Entered  int64
}

// A Feed is where the list of changes for the stations stands.
type Feed struct {
	Head     uint64 // last position that stations may read
	Reserved uint64 // last position given out; up to it entries may still be on their way
}

// A Fact is an entry of a station's journal.
type Fact struct {
	Station ticket.StationID
	Seq     uint64
	At      time.Time // by the station's clock
	Kind    ticket.FactKind
	Lane    string
	Session string // its name, or ""
	Seat    string
	Verdict *ticket.Verdict // granted, refused, exit
	Note    *ticket.Note    // entries that are not about a ticket
}

// A DeadLetter is an entry that could not be applied. What follows it is not held up.
type DeadLetter struct {
	Station ticket.StationID
	Seq     uint64
	At      time.Time
	Kind    ticket.FactKind
	Reason  string // technical, English, no personal data
}
