package fleet_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"yipiao/edge/internal/fleet"
	"yipiao/sync/ticket"
)

// TestHeard follows one handheld through a day (SHOW-6.3.6.2.1): every change is told once, with what was before.
func TestHeard(t *testing.T) {
	f, clk := open(t, newStore())
	d, _, err := f.AddDevice("手持 1", []string{"L1"}, []fleet.Permission{fleet.MayCheck})
	if err != nil {
		t.Fatal(err)
	}
	change := func(state, was string) fleet.Change { return fleet.Change{Device: d.ID, State: state, Was: was} }
	steps := []struct {
		name string
		say  fleet.Report
		want []fleet.Change
	}{
		{"its first word", fleet.Report{Battery: 80, Network: "wifi", Signal: -60}, []fleet.Change{change("ok", "")}},
		{"nothing new", fleet.Report{Battery: 21, Network: "wifi", Signal: -70}, nil},
		{"low", fleet.Report{Battery: 20, Network: "wifi"}, []fleet.Change{change("battery_low", "battery_ok")}},
		{"a percent up is no news", fleet.Report{Battery: 22, Network: "wifi"}, nil},
		{"well again", fleet.Report{Battery: 24, Network: "wifi"}, []fleet.Change{change("battery_ok", "battery_low")}},
		{"another network", fleet.Report{Battery: 24, Network: "mobile"}, []fleet.Change{change("network_mobile", "network_wifi")}},
		{"nearly empty", fleet.Report{Battery: 5, Network: "mobile"}, []fleet.Change{change("battery_critical", "battery_ok")}},
		{"on the charger, still nearly empty", fleet.Report{Battery: 7, Charging: true, Network: "mobile"}, nil},
		{"on the charger", fleet.Report{Battery: 9, Charging: true, Network: "mobile"}, []fleet.Change{change("battery_ok", "battery_critical")}},
		{"off too early", fleet.Report{Battery: 12, Network: "mobile"}, []fleet.Change{change("battery_low", "battery_ok")}},
	}
	for _, s := range steps {
		clk.pass(fleet.ReportEvery)
		if got := f.Heard(&d, s.say); !slices.Equal(got, s.want) {
			t.Errorf("%s: %+v, want %+v", s.name, got, s.want)
		}
		if late := f.Overdue(); len(late) != 0 {
			t.Errorf("%s: overdue %+v", s.name, late)
		}
	}
	clk.pass(3*fleet.ReportEvery + time.Second)
	if got := f.Overdue(); !slices.Equal(got, []fleet.Change{change("lost", "ok")}) {
		t.Errorf("silent: %+v", got)
	}
	if got := f.Overdue(); len(got) != 0 {
		t.Errorf("told twice: %+v", got)
	}
	if h := f.Handhelds(); len(h) != 1 || !h[0].Lost || h[0].Battery != 12 || h[0].Device.Name != "手持 1" {
		t.Errorf("%+v", h)
	}
	if got := f.Heard(&d, fleet.Report{Battery: 12, Network: "mobile"}); !slices.Equal(got, []fleet.Change{change("ok", "lost")}) {
		t.Errorf("back: %+v", got)
	}
}

func TestReportValidate(t *testing.T) {
	good := fleet.Report{Battery: 50, Network: "wifi", Signal: -60}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*fleet.Report){
		"battery": func(r *fleet.Report) { r.Battery = -1 },
		"network": func(r *fleet.Report) { r.Network = "5g" },
		"signal":  func(r *fleet.Report) { r.Signal = 3 },
	} {
		bad := good
		change(&bad)
		var fe *ticket.FieldError
		if err := bad.Validate(); !errors.As(err, &fe) || fe.Field != field {
			t.Errorf("%v, want the field %s", err, field)
		}
	}
}
