package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// BenchmarkDo measures durable checks in process; every one is an admission with its fact.
func BenchmarkDo(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := newStation(b)
			w := s.world()
			w.Session.Reentry = ticket.ReentryFree
			w.Ticket.Entry.Max = 65_000
			payloads := make([]string, 10_000)
			for i := range payloads {
				payloads[i] = payloadOf(w, i)
			}
			s.apply(sessionOf(b, w), true)
			s.apply(many(b, w, len(payloads)), true)
			var n atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for c := range callers {
				wg.Go(func() {
					for {
						i := n.Add(1)
						if i > int64(b.N) {
							return
						}
						req := request(w, 0, "door")
						req.Payload, req.Face = payloads[i%int64(len(payloads))], false
						req.Nonce = ticket.Nonce{byte(c + 1), byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}
						a, err := s.Do(context.Background(), req, ticket.Check)
						if err != nil || a.Verdict.Outcome() != ticket.OutcomeAdmit {
							b.Errorf("%s, %v", a.Verdict.Reason, err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checks/s")
		})
	}
}

// sessionOf is the world's session, changed.
func sessionOf(b *testing.B, w *decisions.World) []wire.Entry {
	b.Helper()
	body, err := json.Marshal(w.Session)
	if err != nil {
		b.Fatal(err)
	}
	return []wire.Entry{{Pos: 500, Kind: wire.KindSession, Key: wire.Key(w.Session.ID), Ver: 2, Body: body}}
}
