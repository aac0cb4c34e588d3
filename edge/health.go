package edge

import (
	"yipiao/drivers"
	"yipiao/edge/internal/devices"
	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
)

// A change is one thing that is different about a device, as the journal keeps it: stable codes. A code that
// ends in _over ends what the same code without it began.
type change struct{ state, was, text string }

// changes tells what is different about a device since it was last told (SHOW-6.3.6.2.1).
func changes(was, now devices.Status) []change {
	var all []change
	if was.State != now.State || was.Note != now.Note {
		all = append(all, change{string(now.State), string(was.State), now.Note})
	}
	if (was.Firmware != now.Firmware || was.Serial != now.Serial) && now.Firmware+now.Serial != "" {
		all = append(all, change{"identified", "", calledItself(now.Firmware, now.Serial)})
	}
	if now.Printer == nil {
		return all
	}
	before := drivers.PrinterStatus{Online: true, Paper: drivers.LevelOK, Ribbon: drivers.LevelOK}
	if was.Printer != nil {
		before = *was.Printer
	}
	return append(all, supplies(before, *now.Printer)...)
}

// calledItself is what a device calls itself, for people.
func calledItself(firmware, serial string) string {
	switch {
	case serial == "":
		return firmware
	case firmware == "":
		return "#" + serial
	}
	return firmware + " #" + serial
}

// supplies tells what is different about a printer.
func supplies(was, now drivers.PrinterStatus) []change {
	var all []change
	for _, l := range []struct {
		of       string
		was, now drivers.Level
	}{{"paper_", was.Paper, now.Paper}, {"ribbon_", was.Ribbon, now.Ribbon}} {
		if l.was != l.now && l.now != drivers.LevelUnknown {
			c := change{state: l.of + string(l.now)}
			if l.was != drivers.LevelUnknown {
				c.was = l.of + string(l.was)
			}
			all = append(all, c)
		}
	}
	for _, f := range []struct {
		code     string
		was, now bool
		text     string
	}{
		{"cover_open", was.Cover, now.Cover, ""}, {"cutter_jammed", was.Cutter, now.Cutter, ""},
		{"printer_fault", was.Error, now.Error, now.Note}, {"printer_offline", !was.Online, !now.Online, ""},
	} {
		switch {
		case f.was == f.now:
		case f.now:
			all = append(all, change{state: f.code, text: f.text})
		default:
			all = append(all, change{state: f.code + "_over"})
		}
	}
	return all
}

// deviceHealth journals what the devices' set tells. Calls come one at a time.
func (s *Station) deviceHealth(st devices.Status) {
	for _, c := range changes(s.told[st.Name], st) {
		s.note(ticket.FactDeviceStatus, ticket.Note{Subject: st.Name, State: c.state, Was: c.was, Text: c.text})
	}
	s.told[st.Name] = st
	s.web.changed(maint.EventDevice)
}

// handheldHealth journals what handhelds tell of themselves.
func (s *Station) handheldHealth(all []fleet.Change) {
	for _, c := range all {
		s.note(ticket.FactDeviceStatus, ticket.Note{Subject: c.Device, State: c.State, Was: c.Was})
	}
	if len(all) > 0 {
		s.web.changed(maint.EventDevice)
	}
}

// overdue notices handhelds that have become silent.
func (s *Station) overdue() error {
	s.handheldHealth(s.fleet.Overdue())
	return nil
}

// handheldState is a handheld's state in the words of devices.
func handheldState(h fleet.Health) drivers.State {
	switch {
	case h.Lost:
		return drivers.StateLost
	case h.Level != "ok":
		return drivers.StateAttention
	}
	return drivers.StateOK
}
