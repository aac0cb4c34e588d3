package fleet

import (
	"slices"
	"strings"
	"time"

	"yipiao/sync/ticket"
)

// Battery levels of a handheld, with a step between falling into one and leaving it, so that a battery at the
// border does not write a fact a minute.
const (
	batteryLow      = 20 // percent
	batteryCritical = 5
	batteryStep     = 3
)

// ReportEvery is how often a handheld is to report; one that has been silent for lostAfter is lost.
const (
	ReportEvery = time.Minute
	lostAfter   = 3 * ReportEvery
)

// A Report is what a handheld says of itself (SHOW-6.3.6.2.1).
type Report struct {
	Battery  int    `json:"battery"` // percent
	Charging bool   `json:"charging"`
	Network  string `json:"network"` // wifi, mobile, ethernet or other
	Signal   int    `json:"signal"`  // dBm, 0 where the handheld does not know
}

// Validate names the first field that cannot be.
func (r Report) Validate() error {
	switch {
	case r.Battery < 0 || r.Battery > 100:
		return &ticket.FieldError{Field: "battery", Want: "0–100 的百分数 (a percentage)", Code: "bad_battery"}
	case !slices.Contains([]string{"wifi", "mobile", "ethernet", "other"}, r.Network):
		return &ticket.FieldError{Field: "network", Want: "wifi | mobile | ethernet | other", Code: "bad_network"}
	case r.Signal > 0 || r.Signal < -150:
		return &ticket.FieldError{Field: "signal", Want: "-150–0 dBm，不知道填 0 (0 for unknown)", Code: "bad_signal"}
	}
	return nil
}

// A Health is a handheld as it was last heard. Handhelds that have not reported since the start have none.
type Health struct {
	Report
	Device Device
	At     time.Time
	Level  string // of the battery: ok, low or critical
	Lost   bool   // silent for three minutes
}

// A Change is something of a handheld that people want to know, as stable codes.
type Change struct {
	Device     string // registry id
	State, Was string // ok and lost; battery_ok, battery_low and battery_critical; network_wifi and so on
}

// Heard takes a handheld's report and tells what has changed by it.
func (f *Fleet) Heard(d *Device, r Report) []Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, known := f.health[d.ID]
	now := Health{Report: r, Device: *d, At: f.now(), Level: level(r, was.Level)}
	f.health[d.ID] = now
	if !known {
		was = Health{Report: Report{Network: r.Network}, Level: "ok", Lost: true} // its first word is worth a fact
	}
	var all []Change
	add := func(is, before string) {
		if is != before {
			all = append(all, Change{Device: d.ID, State: is, Was: before})
		}
	}
	add(lost(false), lost(was.Lost))
	add("battery_"+now.Level, "battery_"+was.Level)
	add("network_"+now.Network, "network_"+was.Network)
	if !known {
		all[0].Was = ""
	}
	return all
}

func lost(is bool) string {
	if is {
		return "lost"
	}
	return "ok"
}

// level is the battery's, given the one before.
func level(r Report, before string) string {
	critical, low := batteryCritical, batteryLow
	switch before { // leaving a level takes a step more than falling into it
	case "critical":
		critical, low = critical+batteryStep, low+batteryStep
	case "low":
		low += batteryStep
	}
	switch {
	case r.Charging && r.Battery > critical:
		return "ok"
	case r.Battery <= critical:
		return "critical"
	case r.Battery <= low:
		return "low"
	}
	return "ok"
}

// Overdue tells which handhelds have become silent since it was last asked; ask it about once a minute.
func (f *Fleet) Overdue() []Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Change
	for id, h := range f.health {
		if !h.Lost && f.now().Sub(h.At) > lostAfter {
			h.Lost = true
			f.health[id] = h
			all = append(all, Change{Device: id, State: "lost", Was: "ok"})
		}
	}
	slices.SortFunc(all, func(a, b Change) int { return strings.Compare(a.Device, b.Device) })
	return all
}

// Handhelds are those that have reported since the start, by name.
func (f *Fleet) Handhelds() []Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Health, 0, len(f.health))
	for _, h := range f.health {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b Health) int { return strings.Compare(a.Device.Name+a.Device.ID, b.Device.Name+b.Device.ID) })
	return all
}
