package cloud_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"yipiao/cloud"
	"yipiao/sync/ticket"
)

// TestDeadLetters: a person sees, exports and retries what could not be applied; it blocked nothing.
func TestDeadLetters(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.run()
		ctx := t.Context()
		if all, err := w.cloud.DeadLetters(ctx, 0, 10); err != nil || len(all) != 0 {
			t.Fatalf("%+v, %v", all, err)
		}
		s := w.enrol()
		s.write(99, "nobody knows")
		s.write(ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Gen: 1, Used: 1})
		s.write(ticket.FactUplinkChanged, ticket.Note{Subject: "wan", State: "extreme"})
		if ack := s.upload(); ack.Folded != 3 {
			t.Fatalf("ack %+v", ack)
		}
		all, err := w.cloud.DeadLetters(ctx, 1, 10)
		if err != nil || len(all) != 2 || all[0].Seq != 1 || all[0].Reason != "unknown_kind" || all[1].Reason != "unknown_ticket" || all[1].Station != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		if none, err := w.cloud.DeadLetters(ctx, 2, 10); err != nil || len(none) != 0 {
			t.Fatalf("another station: %+v, %v", none, err)
		}
		var text bytes.Buffer
		if n, err := w.cloud.ExportDeadLetters(ctx, 0, &text); err != nil || n != 2 || strings.Count(text.String(), "\n") != 2 {
			t.Fatalf("%d exported, %v: %s", n, err, &text)
		}
		done, err := w.cloud.RetryDeadLetters(ctx, 0, 0, 0, "op")
		if err != nil || done.Settled != 0 || len(done.Left) != 2 {
			t.Fatalf("%+v, %v", done, err)
		}
		if _, err := w.cloud.RetryDeadLetters(ctx, 1, 1, 3, "op"); !errors.Is(err, cloud.ErrNoDeadLetter) {
			t.Fatalf("a fact that was folded: %v", err)
		}
		if done, err = w.cloud.RetryDeadLetters(ctx, 1, 1, 2, "op"); err != nil || len(done.Left) != 1 || done.Left[0].Seq != 2 {
			t.Fatalf("%+v, %v", done, err)
		}
	})
}
