// Package drivers is the contract between the station and the device protocols it can drive.
//
// It knows bytes, devices and their health. It must not know tickets, lanes, the network or how a
// port is opened and reopened: a driver gets an open port.Port and runs until it fails. Each
// protocol has one folder below this one and one line in drivers/all.
package drivers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"yipiao/drivers/port"
)

// A Kind describes one device protocol.
type Kind struct {
	// Name is the configuration key and the folder name, for example "linescan".
	Name string
	// Title is what a technician reads, Chinese first, for example "串口扫码器 / Serial line scanner".
	Title string
	// New decodes the driver's settings strictly (an unknown key is an error that names it) and
	// validates them. It does no I/O. A nil or empty message means defaults.
	New func(settings json.RawMessage) (Device, error)
	// Ports are the types of line it speaks over; none means a serial line only.
	Ports []PortType
	// Scans says that its devices report Scan, so that a lane may take one as its scanner.
	Scans bool
	// Bus says that several of its devices may share one line: the driver takes turns (port.Turns).
	Bus bool
}

// Speaks reports whether the protocol works over a type of line.
func (k Kind) Speaks(t PortType) bool {
	if len(k.Ports) == 0 {
		return t == PortSerial
	}
	return slices.Contains(k.Ports, t)
}

// A PortType is a sort of line, as in the configuration.
type PortType string

// Types of lines.
const (
	PortSerial PortType = "serial" // a tty
	PortHID    PortType = "hid"    // reports of a USB HID interface
	PortEvdev  PortType = "evdev"  // events of a grabbed Linux input device
	PortLP     PortType = "lp"     // a USB printer
	PortTCP    PortType = "tcp"    // a raw connection: a printer, or a serial device server
)

// A Device talks to one physical device over a port.
//
// Run drives it until ctx is done (it then returns nil) or the port fails (it returns the error,
// wrapped). Run alone owns the port, never closes it, and may be called again with a fresh port
// after it has returned. emit is called from Run's goroutines, must not block for long and must not
// be called after Run has returned. Capability methods (Gate.Release, …) may be called from any
// goroutine at any time; outside Run they answer ErrNotRunning.
type Device interface {
	Run(ctx context.Context, p port.Port, emit func(Event)) error
}

// An Event is something a device reports: Scan, Passage, Alarm or Health.
type Event interface{ isEvent() }

// A ScanFault says why a read is not usable as a code.
type ScanFault string

// Scan faults.
const (
	ScanOK       ScanFault = ""         // Data is one complete code
	ScanTorn     ScanFault = "torn"     // the line ended without its terminator (idle gap, or STX without ETX)
	ScanOverlong ScanFault = "overlong" // more than the driver's limit without a terminator; the rest of the burst was dropped
	ScanBinary   ScanFault = "binary"   // bytes outside printable ASCII
)

// A Scan is one code as read by a scanner, framing and AIM identifier removed.
type Scan struct {
	Data  []byte    // the code; for a fault at most the first 64 bytes; owned by the receiver
	AIM   string    // AIM identifier such as "]Q1", or "" where the scanner sends none
	Bytes int       // bytes on the wire, framing included
	Fault ScanFault // ScanOK or why Data is not a code
	At    time.Time // when the last byte arrived (monotonic)
}

// A Direction is the way a person walks through a gate.
type Direction uint8

// Directions.
const (
	Entry Direction = 1 + iota
	Exit
)

// PermitID names one permit; the caller chooses it, unique per gate while the gate runs.
type PermitID uint64

// A Permit lets one person through in one direction.
type Permit struct {
	ID        PermitID
	Direction Direction
	For       time.Duration // how long the gate waits for the person to start passing; whole seconds, 1 s to 60 s
}

// A PassageOutcome is how a permit ended.
type PassageOutcome uint8

// Passage outcomes.
const (
	Passed PassageOutcome = 1 + iota // the gate's sensor counted the person
	Lapsed                           // the permit ran out unused
	// Unknown: the permit is over, and nothing can tell whether anyone went through. A gate without feedback
	// ends every permit so; one with it never guesses.
	Unknown
)

// A Passage reports the end of a permit. Count is the gate's own counter for that direction after it.
type Passage struct {
	Permit  PermitID
	Outcome PassageOutcome
	Count   uint32
}

// An AlarmKind is a condition at a gate that needs a person.
type AlarmKind string

// Alarms.
const (
	AlarmForced   AlarmKind = "forced"   // a body in the lane, or a count, without a permit
	AlarmTailgate AlarmKind = "tailgate" // a second person behind one with a permit
	AlarmFree     AlarmKind = "free"     // somebody has switched the gate to free passage
	AlarmFire     AlarmKind = "fire"     // anti-panic: the gate stands open by itself
	AlarmFault    AlarmKind = "fault"    // the gate reports an error bit or is blocked
)

// An Alarm is raised (On) and later cleared (not On).
type Alarm struct {
	Kind AlarmKind
	On   bool
	Note string // short, technical, English; no personal data
}

// A State is the health of a device.
type State string

// States, as shown to technicians (design: 正常 注意 失联).
const (
	StateOK        State = "ok"
	StateAttention State = "attention"
	StateLost      State = "lost"
)

// Health is emitted when something changed, at most twice a second.
type Health struct {
	State    State
	LastGood time.Time // last good frame; zero if none yet
	Frames   uint64    // good frames since Run began
	Errors   uint64    // bad frames, checksum errors and timeouts since Run began
	Note     string    // what is wrong, short, English, no personal data
	Firmware string    // where the protocol tells it
	Serial   string    // the device's own number, where the protocol tells it
}

func (Scan) isEvent()    {}
func (Passage) isEvent() {}
func (Alarm) isEvent()   {}
func (Health) isEvent()  {}

// A Gate opens for one person.
//
// Release hands the permit to the device and blocks until the gate has acknowledged it (nil), has
// refused it or did not answer (an error: the gate is then known or presumed closed and the permit
// void), or ctx ends. After nil exactly one Passage with the permit's ID follows, unless Run ends first.
type Gate interface {
	Release(ctx context.Context, permit Permit) error
}

// Counters are a gate's own passage counters and open permits.
type Counters struct {
	Entry, Exit               uint32 // passages since the gate was made, wrapping
	EntryPermits, ExitPermits uint16 // passes still open
}

// A PassageCounter is a gate that counts by itself, so that a restart can tell what happened meanwhile.
type PassageCounter interface {
	// LastCounters returns what the gate said at the last poll, without I/O; ok is false before the first.
	LastCounters() (c Counters, ok bool)
	// Withdraw closes every open permit of the direction and returns the counters read after that,
	// so that no passage can be missed between the two.
	Withdraw(ctx context.Context, d Direction) (Counters, error)
}

// Registry is the set of protocols a program can drive. The zero value is empty and ready.
type Registry struct {
	kinds map[string]Kind
	order []string
}

// Add registers kinds. It panics on an empty or duplicate name or a missing constructor, which are
// programmer errors.
func (r *Registry) Add(kinds ...Kind) {
	if r.kinds == nil {
		r.kinds = make(map[string]Kind)
	}
	for _, k := range kinds {
		if _, dup := r.kinds[k.Name]; dup || k.Name == "" || k.New == nil {
			panic(fmt.Sprintf("drivers: bad or duplicate kind %q", k.Name))
		}
		r.kinds[k.Name] = k
		r.order = append(r.order, k.Name)
	}
}

// Kind finds a protocol by name.
func (r *Registry) Kind(name string) (Kind, bool) {
	k, ok := r.kinds[name]
	return k, ok
}

// Names lists the registered protocols in the order they were added.
func (r *Registry) Names() []string { return append([]string(nil), r.order...) }
