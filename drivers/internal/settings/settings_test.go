package settings_test

import (
	"encoding/json"
	"strings"
	"testing"

	"yipiao/drivers/internal/settings"
)

func TestDecode(t *testing.T) {
	type set struct {
		Unit int `json:"unit"`
	}
	cases := []struct {
		name, raw string
		want      int
		fails     string
	}{
		{"nothing keeps the default", "", 7, ""},
		{"null keeps the default", "null", 7, ""},
		{"empty object keeps the default", " {} ", 7, ""},
		{"a value replaces it", `{"unit":3}`, 3, ""},
		{"an unknown key is named", `{"unti":3}`, 0, `"unti"`},
		{"a wrong type is named", `{"unit":"3"}`, 0, "unit"},
		{"something after the object", `{"unit":3} {}`, 0, "follows"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := set{Unit: 7}
			err := settings.Decode(json.RawMessage(c.raw), &got)
			switch {
			case c.fails == "" && err != nil:
				t.Fatalf("Decode: %v", err)
			case c.fails == "" && got.Unit != c.want:
				t.Errorf("unit %d, want %d", got.Unit, c.want)
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Errorf("Decode: %v, want an error with %s", err, c.fails)
			}
		})
	}
}

func TestBetweenNamesTheKey(t *testing.T) {
	if err := settings.Between("limit", 16, 16, 32); err != nil {
		t.Errorf("the lower bound: %v", err)
	}
	if err := settings.Between("limit", 33, 16, 32); err == nil || !strings.Contains(err.Error(), "limit is 33, want 16 to 32") {
		t.Errorf("over the upper bound: %v", err)
	}
}
