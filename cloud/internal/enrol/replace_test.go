package enrol_test

import (
	"crypto/ecdsa"
	"errors"
	"testing"

	"yipiao/cloud/internal/enrol"
	"yipiao/sync/journal"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A machine is a station's, with its connection to the cloud.
type machine struct {
	*httplink.Client
	w             *world
	code          identity.Code
	station, site []byte
	reply         *wire.EnrolReply
	log           []journal.Entry
}

func (w *world) machine(code identity.Code) *machine {
	w.t.Helper()
	m := &machine{w: w, code: code}
	var key *ecdsa.PrivateKey
	m.station, key = w.csr()
	m.site, _ = w.csr()
	e, err := w.enrol(code, m.station, m.site)
	if err != nil {
		w.t.Fatal(err)
	}
	m.reply = e.Reply
	m.Client, err = httplink.NewClient(httplink.ClientConfig{
		Address: w.address, Root: e.Root, Own: identity.Keypair(key, e.Station...), Tenant: 1,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(m.Close)
	return m
}

// write adds a fact to the machine's journal and returns it all.
func (m *machine) write() *wire.Batch {
	n := ticket.Note{Subject: "test"}
	e := journal.Entry{Epoch: m.reply.Epoch, Seq: uint64(len(m.log)) + 1, Record: journal.Record{
		Kind: journal.Kind(ticket.FactOperatorAction), TimeMs: 1000, Body: n.Append(nil),
	}}
	var prev journal.Sum
	if n := len(m.log); n > 0 {
		prev = m.log[n-1].Sum
	}
	e.Sum = journal.Chain(m.reply.ChainKey, prev, &e)
	m.log = append(m.log, e)
	return &wire.Batch{Epoch: m.reply.Epoch, Entries: m.log}
}

func (w *world) replaceCode() identity.Code {
	w.t.Helper()
	code, _, err := w.desk.NewCode(w.t.Context(), 1, w.address, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

func code(err error) wire.Code {
	var answer *wire.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// TestReplace: from the moment the code is used, one machine is the station, and it is not the old one.
func TestReplace(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if _, _, err := w.desk.NewCode(t.Context(), 1, w.address, true); !errors.Is(err, enrol.ErrNotEnrolled) {
			t.Fatalf("replacing nobody: %v", err)
		}
		old := w.machine(w.code())
		if _, err := old.Upload(t.Context(), old.write()); err != nil {
			t.Fatal(err)
		}
		page, err := old.Feed(t.Context(), wire.FeedRequest{})
		if err != nil {
			t.Fatal(err)
		}
		first, spare := w.replaceCode(), w.replaceCode()
		if _, err := old.Feed(t.Context(), wire.FeedRequest{}); err != nil {
			t.Fatalf("a code that nobody has used: %v", err)
		}
		fresh := w.machine(first)
		if fresh.reply.Station != 1 || fresh.reply.Epoch != 2 || string(fresh.reply.ChainKey) == string(old.reply.ChainKey) {
			t.Fatalf("reply %+v", fresh.reply)
		}
		for what, err := range map[string]error{
			"feed of the old machine":           second(old.Feed(t.Context(), wire.FeedRequest{Epoch: page.Epoch, Cursor: page.Next})),
			"the old machine as the new one":    second(old.Upload(t.Context(), &wire.Batch{Epoch: 2})),
			"the old machine's code once more":  second(w.enrol(old.code, old.station, old.site)),
			"the spare code for a third":        second(w.enrol(spare, old.station, old.site)),
			"the old machine, an unknown epoch": second(old.Upload(t.Context(), &wire.Batch{Epoch: 7})),
		} {
			if c := code(err); c != wire.CodeRevoked && c != wire.CodeEnrolCode {
				t.Errorf("%s: %v", what, err)
			}
		}
		// The rest of the old journal, from the old machine or by the new one's hands.
		if ack, err := old.Upload(t.Context(), old.write()); err != nil || ack.Epoch != 1 || ack.Durable != 2 {
			t.Errorf("rest of the old journal: %+v, %v", ack, err)
		}
		if ack, err := fresh.Upload(t.Context(), old.write()); err != nil || ack.Epoch != 1 || ack.Durable != 3 {
			t.Errorf("rest of the old journal by the new machine: %+v, %v", ack, err)
		}
		if ack, err := fresh.Upload(t.Context(), fresh.write()); err != nil || ack.Epoch != 2 || ack.Durable != 1 || ack.Folded != 1 {
			t.Errorf("the new journal: %+v, %v", ack, err)
		}
		got, err := fresh.Feed(t.Context(), wire.FeedRequest{Epoch: page.Epoch, Cursor: page.Next})
		if err != nil || !got.Reset || got.Epoch == page.Epoch {
			t.Errorf("the old feed position: %+v, %v", got, err)
		}
		again, err := w.enrol(first, fresh.station, fresh.site)
		if err != nil || again.Reply.Epoch != 2 {
			t.Errorf("the same request again: %v", err)
		}
		third := w.machine(w.replaceCode())
		if _, err := fresh.Feed(t.Context(), wire.FeedRequest{}); code(err) != wire.CodeRevoked || third.reply.Epoch != 3 {
			t.Errorf("the second machine after the third: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }
