package edge

import "testing"

// TestTally_FactsOfBeforeTheStart: what is counted from the journal after a start is what was counted while
// it happened, and it joins what has been counted since.
func TestTally_FactsOfBeforeTheStart(t *testing.T) {
	w := firstWorld(t)
	cloud := newTestCloud(t)
	cloud.put(w)
	s := startStation(t, cloud, w)
	s.synced()
	admitted := s.crowd(w, 8, 5)
	now, _, _ := s.clock.Now()
	s.until("everything is counted", func() bool {
		c := s.tally.of("door", now)
		return c.Admit == admitted && c.Admit+c.Refuse+c.Hold == 8*5
	})
	live := s.tally.of("door", now)
	var again tally
	again.begin(now)
	upTo := s.ledger.Durable().Seq
	for round := range 2 {
		if err := again.load(t.Context(), s.ledger, upTo, now); err != nil {
			t.Fatal(err)
		}
		if c := again.of("door", now); c.Admit != live.Admit*(round+1) || c.Refuse != live.Refuse*(round+1) {
			t.Errorf("round %d: %+v, want multiples of %+v", round, c, live)
		}
	}
	if c := again.of("door", now+24*3600*1000); c.Admit != 0 {
		t.Errorf("tomorrow begins with %+v", c)
	}
}
