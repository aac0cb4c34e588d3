package lanapi_test

import (
	"net/http"
	"testing"

	"yipiao/edge/internal/fleet"
)

func TestHealth_IsTakenFromAHandheld_SHOW_6_3_6_2_1(t *testing.T) {
	s := newStation(t)
	const path = "/api/v1/device/health"
	if r := s.call(http.MethodPost, path, "checks", `{"battery":41,"charging":true,"network":"wifi","signal":-61}`); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	want := fleet.Report{Battery: 41, Charging: true, Network: "wifi", Signal: -61}
	if len(s.reports) != 1 || s.reports[0] != want || len(s.changed) != 1 || s.changed[0].Device != "d1" {
		t.Fatalf("%+v, %+v", s.reports, s.changed)
	}
	for _, c := range []struct {
		token, body string
		status      int
		code, field string
	}{
		{"nobody", `{}`, http.StatusUnauthorized, "unknown_device", ""},
		{"reads", `{}`, http.StatusForbidden, "not_permitted", ""},
		{"revoked", `{}`, http.StatusForbidden, "not_permitted", ""},
		{"checks", `{"network":"wifi"}`, http.StatusBadRequest, "bad_battery", "battery"}, // not told is not empty
		{"checks", `{"battery":101,"network":"wifi"}`, http.StatusBadRequest, "bad_battery", "battery"},
		{"checks", `{"battery":5,"network":""}`, http.StatusBadRequest, "bad_network", "network"},
		{"checks", `{"battery":5,"network":"wifi","signal":9}`, http.StatusBadRequest, "bad_signal", "signal"},
		{"checks", `{"battery":5,"network":"wifi","place":"x"}`, http.StatusBadRequest, "bad_json", ""},
	} {
		r := s.call(http.MethodPost, path, c.token, c.body)
		r.want(t, c.status, c.code, c.field)
	}
	if len(s.reports) != 1 {
		t.Errorf("refused reports were taken: %+v", s.reports)
	}
}
