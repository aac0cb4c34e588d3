package ledger_test

import (
	"context"
	"testing"

	"yipiao/sync/ticket"
)

// Pages may be released while tickets are checked, their bodies are read and the file grows.
func TestReleasePagesBesideChecks(t *testing.T) {
	s := newStation(t)
	w := s.world()
	w.Ticket.Entry.Max = 100
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := s.ReleasePages(); err != nil {
				done <- err
				return
			}
		}
	}()
	for round := range 5 {
		s.apply(many(t, w, 500*(round+1)), true)
		for i := range 20 {
			req := request(w, 0, "door")
			req.Payload, req.Face = payloadOf(w, i), true
			req.Nonce = ticket.Nonce{byte(round + 1), byte(i + 1)}
			a, err := s.Do(context.Background(), req, ticket.Check)
			if err != nil || a.Seat == "" {
				t.Errorf("round %d, ticket %d: %+v, %v", round, i, a, err)
			}
		}
		if err := s.Checkpoint(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
