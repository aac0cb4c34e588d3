package plug

import (
	"regexp"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/all"
)

// TestModels: every protocol that models.json names exists and speaks over that line, and every maker is there once.
func TestModels(t *testing.T) {
	var reg drivers.Registry
	all.Register(&reg)
	id := regexp.MustCompile(`^[0-9a-f]{4}$`)
	speaks := func(who string, line drivers.PortType, kinds []string) {
		for _, k := range kinds {
			if kind, ok := reg.Kind(k); !ok || !kind.Speaks(line) || models.Kinds[k].Stem == "" {
				t.Errorf("%s: %q over %s", who, k, line)
			}
		}
	}
	for line, r := range models.Rules {
		speaks(r.Title, line, r.Kinds)
	}
	seen := make(map[string]bool)
	for _, m := range models.Makers {
		if !id.MatchString(m.Vendor) || seen[m.Vendor] || m.Title == "" || len(m.Kinds) == 0 && m.Adapter == "" || m.Listed && len(m.Products) == 0 {
			t.Errorf("%+v", m)
		}
		seen[m.Vendor] = true
		for line, kinds := range m.Kinds {
			speaks(m.Title, line, kinds)
		}
		for p, name := range m.Products {
			if !id.MatchString(p) || name == "" {
				t.Errorf("%s: product %q %q", m.Title, p, name)
			}
		}
	}
}
