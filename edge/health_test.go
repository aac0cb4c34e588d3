package edge

import (
	"slices"
	"testing"

	"yipiao/drivers"
	"yipiao/edge/internal/devices"
)

// TestChanges is what of a device becomes a fact (SHOW-6.3.6.2.1).
func TestChanges(t *testing.T) {
	ready := drivers.PrinterStatus{Online: true, Paper: drivers.LevelOK, Ribbon: drivers.LevelUnknown}
	with := func(change func(*drivers.PrinterStatus)) *drivers.PrinterStatus {
		p := ready
		change(&p)
		return &p
	}
	up := devices.Status{State: drivers.StateOK}
	cases := []struct {
		name     string
		was, now devices.Status
		want     []change
	}{
		{"first word", devices.Status{}, devices.Status{State: drivers.StateLost, Note: "not plugged in"}, []change{{"lost", "", "not plugged in"}}},
		{"state", devices.Status{State: drivers.StateLost, Note: "unplugged"}, up, []change{{"ok", "lost", ""}}},
		{"counters are no news", up, devices.Status{State: drivers.StateOK, Frames: 7, Errors: 1}, nil},
		{"firmware", up, devices.Status{State: drivers.StateOK, Firmware: "M100 V1.00"}, []change{{"identified", "", "M100 V1.00"}}},
		{
			"another of the same kind", devices.Status{State: drivers.StateOK, Firmware: "2.6", Serial: "1"},
			devices.Status{State: drivers.StateOK, Firmware: "2.6", Serial: "2"}, []change{{"identified", "", "2.6 #2"}},
		},
		{"unplugged is no change of identity", devices.Status{State: drivers.StateOK, Serial: "1"}, up, nil},
		{"a printer that is well", up, devices.Status{State: drivers.StateOK, Printer: &ready}, nil},
		{
			"paper out in the middle", devices.Status{State: drivers.StateOK, Printer: &ready},
			devices.Status{State: drivers.StateOK, Printer: with(func(p *drivers.PrinterStatus) { p.Paper, p.Cover = drivers.LevelOut, true })},
			[]change{{"paper_out", "paper_ok", ""}, {"cover_open", "", ""}},
		},
		{
			"and put right", devices.Status{State: drivers.StateOK, Printer: with(func(p *drivers.PrinterStatus) { p.Paper, p.Cover = drivers.LevelOut, true })},
			devices.Status{State: drivers.StateOK, Printer: &ready}, []change{{"paper_ok", "paper_out", ""}, {"cover_open_over", "", ""}},
		},
		{
			"everything at once", devices.Status{State: drivers.StateOK, Printer: &ready},
			devices.Status{State: drivers.StateOK, Printer: &drivers.PrinterStatus{Paper: drivers.LevelLow, Ribbon: drivers.LevelOut, Cutter: true, Error: true, Note: "head hot"}},
			[]change{{"paper_low", "paper_ok", ""}, {"ribbon_out", "", ""}, {"cutter_jammed", "", ""}, {"printer_fault", "", "head hot"}, {"printer_offline", "", ""}},
		},
	}
	for _, c := range cases {
		if got := changes(c.was, c.now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
