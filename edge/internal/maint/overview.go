package maint

import (
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/lane"
	"yipiao/sync/ticket"
)

// An Overview is everything that the page shows, as it is at one moment. Times are instants; the zero
// time means that it has never happened.
type Overview struct {
	Station ticket.StationID
	Name    string // the station's name, for example 示例大剧院
	Venue   string // where it stands, if that says more than the name; else ""
	Uplink  Uplink
	Feed    Feed
	Journal Journal
	Clock   Clock
	// Sessions in order of start.
	Sessions []Session
	// Lanes in the order in which people know them.
	Lanes     []Lane
	Devices   []Device
	Handhelds []Handheld
	// Backup is nil where none are made.
	Backup *Backups
	// Aside is how many entries of the feed this version does not understand and has kept.
	Aside   int
	Storage Storage
	// RootOnlyKey is true when nothing but file permissions protects the key of the data at rest.
	RootOnlyKey bool
}

// An UplinkState says whether the cloud can be reached.
type UplinkState string

// Uplink states. Any other value is shown as unknown.
const (
	Online  UplinkState = "online"
	Backup  UplinkState = "backup"  // another than the first uplink is used
	Extreme UplinkState = "extreme" // no path to the cloud
)

// An Uplink is the connection to the cloud.
type Uplink struct {
	State    UplinkState
	Since    time.Time    // of the state
	Exchange time.Time    // when the cloud answered last
	Links    []UplinkLink // in their order
}

// An UplinkLink is one way to the cloud.
type UplinkLink struct {
	Name      string
	Known     bool // it has been tried
	Up, Used  bool
	RoundTrip time.Duration // 0 for none yet
}

// A Feed is how far the station has read what the cloud has for it.
type Feed struct {
	Epoch    string
	Cursor   uint64
	CaughtUp bool // at Cursor the feed was read to its head
}

// A Journal is where the station's facts are.
type Journal struct {
	End     uint64    // last fact in memory
	Durable uint64    // last fact on the disk
	Acked   uint64    // last fact that the cloud holds
	Oldest  time.Time // time of the first fact that waits for the cloud; zero if none waits
}

// A Clock is the station's clock against the cloud's.
type Clock struct {
	OffsetMs int64
	Trusted  bool // false: time rules cannot be answered
}

// A Session is a session with its counts.
type Session struct {
	Session ticket.Session
	Sold    int64
	Entered int64
	Inside  int64
}

// A Lane is a channel with what it shows.
type Lane struct {
	Name    string // unique
	Title   string // as people know it, for example 1号通道
	Exit    bool   // people leave through it
	Open    bool
	Last    lane.Shown // At zero: nothing yet
	Today   Counts
	Scanner drivers.State // "" if the lane has none
	Gate    drivers.State // "" if the lane has none
}

// Counts are verdicts by outcome.
type Counts struct{ Admit, Refuse, Hold, Exit int }

// A Device is a configured device with its health.
type Device struct {
	Name   string // as people know it
	Kind   string // "中文 / English", from the driver
	Port   string
	Health drivers.Health // State "": nothing heard since the start
	// Printer is what a printer says of itself; nil for another device.
	Printer *drivers.PrinterStatus
}

// A Handheld is a handheld checker that has reported since the start.
type Handheld struct {
	Name     string
	State    drivers.State
	Battery  int // percent
	Charging bool
	Network  string // wifi, mobile, ethernet or other
	Signal   int    // dBm; 0 for not known
	Heard    time.Time
}

// Storage is how the station's own disk and data are.
type Storage struct {
	Failed    bool // nothing can be recorded until the station is started again
	Low       bool // room for facts is running out
	Damaged   bool // something in the catalogue was not what was written
	Rereading bool // the feed is read from 0: tickets not here yet are refused
}
