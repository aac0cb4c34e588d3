package custody_test

import (
	"context"
	"errors"
	"testing"

	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// TestHistory_OfTheVenueOnly: a station neither learns of another venue's tickets nor of what another
// venue's stations have reported.
func TestHistory_OfTheVenueOnly(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		w := open(t, e)
		here, there := link.Peer{Tenant: 7, Station: 1}, link.Peer{Tenant: 7, Station: 2}
		key := []byte("0123456789abcdef0123456789abcdef")
		w.AddStation(here, 1, key)
		w.PutSession(here, ticket.Session{
			ID: 3, Code: "110101001012026112503", Type: "1001", Name: "样例话剧", StartMs: 2000, EndMs: 4000, AdmitFromMs: 1000, AdmitToMs: 3000,
			Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree,
		})
		w.AddTicket(here, ticket.Ticket{
			ID: 1, Session: 3, Group: 1, Type: ticket.TypeNormal, Seat: "1排1座", Order: "O1", Status: ticket.StatusValid, Code: "110101001012026112503000001",
			Holder: "*三", Cred: 1, CredHash: ticket.PayloadHash("1"), Entry: ticket.Right{Max: 1},
		})
		w.write(func(ctx context.Context, tx *store.Tx) error {
			v := store.Venue{Name: "另一剧院"}
			if err := tx.AddVenue(ctx, 7, &v); err != nil {
				return err
			}
			w.venues[7] = v.ID
			return nil
		})
		w.AddStation(there, 1, key)
		for _, from := range []link.Peer{here, there} {
			f := ticket.Fact{Ticket: 1, Session: 3}
			e := journal.Entry{Epoch: 1, Seq: 1, Record: journal.Record{Kind: journal.Kind(ticket.FactRefused), TimeMs: 1000, Body: f.Append(nil)}}
			e.Sum = journal.Chain(key, journal.Sum{}, &e)
			if _, err := w.Receive(t.Context(), from, &wire.Batch{Epoch: 1, Entries: []journal.Entry{e}}, 1); err != nil {
				t.Fatal(err)
			}
		}
		req := wire.HistoryRequest{Ticket: 1, Limit: 10}
		facts, more, err := w.History(t.Context(), here, req)
		if err != nil || more || len(facts) != 1 || facts[0].Station != here.Station {
			t.Errorf("at home: %+v, %v", facts, err)
		}
		if facts, _, err := w.History(t.Context(), there, req); !errors.Is(err, hub.ErrUnknownTicket) {
			t.Errorf("at another venue: %+v, %v", facts, err)
		}
	})
}
