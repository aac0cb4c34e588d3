package sample_test

import (
	"slices"
	"strings"
	"testing"

	"yipiao/drivers/face"
	"yipiao/drivers/face/sample"
)

// required are the variables of what every ticket must show; on a coach ticket the gate stands for the hall and the
// class of the coach for the area.
var required = map[string][]string{
	"SHOW-6.2.1.2-a": {"ticket_no", "credential", "serial"},
	"SHOW-6.2.1.2-b": {"session", "venue", "hall", "date", "time", "area", "seat", "price"},
	"SHOW-6.2.1.2-c": {"ticket_type"},
	"SHOW-6.2.1.2-d": {"platform", "phone", "web"},
	"SHOW-6.2.1.2-e": {"purchase_rules", "refund_rules"},
	"SHOW-6.2.1.2-f": {"other"},
	"SHOW-6.3.5-c":   {"holder"},
}

// TestEveryFieldOfATicket: each face shows what the standard asks for, in letters that are not cut off, and has a value
// for everything it shows.
func TestEveryFieldOfATicket(t *testing.T) {
	for _, name := range sample.Names() {
		t.Run(name, func(t *testing.T) {
			f, values, err := sample.Face(name)
			if err != nil {
				t.Fatal(err)
			}
			shown := f.Variables()
			for id, fields := range required {
				for _, field := range fields {
					if !slices.Contains(shown, field) {
						t.Errorf("%s: {%s} is not on the face", id, field)
					}
				}
			}
			for _, v := range shown {
				if values[v] == "" {
					t.Errorf("{%s} has no value", v)
				}
			}
			page, err := face.Layout(f, values)
			if err != nil {
				t.Fatal(err)
			}
			_, report, err := face.NewRenderer(face.DefaultFonts()).Raster(page, 203)
			if err != nil || len(report.Cut) != 0 || len(report.Missing) != 0 {
				t.Errorf("%v, cut %v, missing %q", err, report.Cut, report.Missing)
			}
		})
	}
}

// TestNamesAreMasked, SHOW-6.3.5-c: a name shows its last character only, as the cloud masks it.
func TestNamesAreMasked(t *testing.T) {
	for _, name := range sample.Names() {
		_, values, err := sample.Face(name)
		if err != nil {
			t.Fatal(err)
		}
		holder := []rune(values["holder"])
		if n := len(holder); n < 2 || string(holder[:n-1]) != strings.Repeat("*", n-1) || holder[n-1] == '*' {
			t.Errorf("%s: holder %q", name, values["holder"])
		}
	}
}
