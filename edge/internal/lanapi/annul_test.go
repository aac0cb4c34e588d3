package lanapi_test

import (
	"net/http"
	"testing"

	"yipiao/sync/ticket"
)

const newer = "ffeeddccbbaa99887766554433221100"

func TestAnnul_AsksWithBothNonces(t *testing.T) {
	s := newStation(t)
	s.answer.Verdict = ticket.Verdict{Reason: ticket.Annulled}
	r := s.call(http.MethodPost, "/api/v1/annul", "checks", `{"nonce":"`+newer+`","entry":"`+nonce+`","lane":"door"}`)
	if r.status != http.StatusOK || r.Verdict.Reason != ticket.Annulled || r.Verdict.Outcome != ticket.OutcomeHold || r.Verdict.Zh != "已撤销，未计入场" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	q := s.annuls[0]
	if q.Device != "d1" || q.Lane != "door" || !q.Permitted || q.Nonce[0] != 0xff || q.Entry[1] != 0x11 {
		t.Fatalf("asked %+v", q)
	}
}

func TestAnnul_BadInputNamesTheField(t *testing.T) {
	s := newStation(t)
	for _, c := range []struct{ body, code, field string }{
		{`{"entry":"` + nonce + `","lane":"door"}`, "bad_nonce", "nonce"},
		{`{"nonce":"` + newer + `","lane":"door"}`, "bad_nonce", "entry"},
		{`{"nonce":"` + nonce + `","entry":"` + nonce + `","lane":"door"}`, "bad_nonce", "nonce"},
		{`{"nonce":"` + newer + `","entry":"` + nonce + `"}`, "bad_lane", "lane"},
		{`{"nonce":"` + newer + `","entry":"` + nonce + `","lane":"door","why":"x"}`, "bad_json", ""},
	} {
		r := s.call(http.MethodPost, "/api/v1/annul", "checks", c.body)
		if r.status != http.StatusBadRequest || r.Error.Code != c.code || r.Error.Field != c.field {
			t.Errorf("%s: %d %s", c.body, r.status, r.body)
		}
	}
	if r := s.call(http.MethodPost, "/api/v1/annul", "", `{}`); r.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", r.status)
	}
	if len(s.annuls) != 0 {
		t.Errorf("asked %+v", s.annuls)
	}
}
