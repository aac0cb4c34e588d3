package simtest

import (
	"bytes"
	"context"
	"errors"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// received: an upload was stored, or refused. It never skips, repeats or reorders, and what is stored is
// what the station has written.
func (m *model) received(f link.Peer, b *wire.Batch, ack wire.Ack, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.book(f.Station, b.Epoch)
	var said *wire.Error
	switch {
	case errors.As(err, &said) && (said.Code == wire.CodeFork || said.Code == wire.CodeChain || said.Code == wire.CodeBadRequest):
		m.w.fail("the upload of %s is refused: %w", f.Station, err)
		return
	case err != nil || len(b.Entries) == 0:
		return
	case k == nil:
		m.w.fail("an upload of %s of epoch %d is stored: nobody has written it", f.Station, b.Epoch)
		return
	}
	first, last := b.Entries[0].Seq, b.Entries[len(b.Entries)-1].Seq
	if first > k.stored+1 || ack.Durable != max(k.stored, last) {
		m.w.fail("facts %d to %d of %s are stored behind %d, and %d is said to be durable: an upload skips or repeats", first, last, f.Station, k.stored, ack.Durable)
	}
	for i := range b.Entries {
		if e := &b.Entries[i]; e.Seq != first+uint64(i) || e.Seq > uint64(len(k.entries)) || !equal(&e.Record, &k.entries[e.Seq-1]) {
			m.w.fail("fact %d of %s is stored, and is not what the station has written", e.Seq, f.Station)
			return
		}
	}
	k.stored = max(k.stored, ack.Durable)
	m.w.tally.Uploads++
}

func equal(a, b *journal.Record) bool {
	return a.Kind == b.Kind && a.TimeMs == b.TimeMs && a.OffsetMs == b.OffsetMs && bytes.Equal(a.Body, b.Body)
}

// acked: a station was told what is durable. It is (I3).
func (m *model) acked(p *place, epoch uint32, ack wire.Ack) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.book(p.peer.Station, epoch)
	if ack.Durable > k.stored {
		m.w.fail("station %d is told that fact %d is durable, stored are %d (I3)", p.number, ack.Durable, k.stored)
	}
	k.durable = max(k.durable, ack.Durable)
}

// folded: facts of a station were folded. Both ends are looked at: the cloud never has custody of what the
// station holds, and a fold is no news (no echo).
func (m *model) folded(f link.Peer) {
	p := m.w.places[f.Station-1]
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tk := range m.tickets {
		if tk.at == p {
			m.look(tk, p.now.Load())
		}
	}
}

func (m *model) look(tk *promise, l *life) {
	row, err := m.w.cloud.Row(context.Background(), tenant, tk.id)
	if err != nil {
		m.w.fail("row of ticket %d: %w", tk.id, err)
		return
	}
	if tk.at.box.Load().epoch == 1 && row.Ticket.Ver != tk.ver {
		m.w.fail("ticket %d has version %d after %d changes: a fact came back as news", tk.id, row.Ticket.Ver, tk.ver)
	}
	if l == nil || row.Right.State == hub.Granted || row.Right.State == hub.Recalled {
		return
	}
	if st, _ := l.Standing(tk.id); st.Holder != 0 {
		m.w.fail("ticket %d: the cloud has custody (state %d, generation %d), and station %d holds generation %d (I1)",
			tk.id, row.Right.State, row.Right.Gen, tk.at.number, st.Gen)
	}
}

// applied: a page was applied, or not.
func (m *model) applied(l *life, page *wire.Page, err error) {
	if err != nil && !errors.Is(err, replica.ErrNotYet) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range page.Entries {
		var t ticket.Ticket
		if e := &page.Entries[i]; e.Kind == wire.KindTicket && e.DecodeBody(&t) == nil {
			m.look(m.tickets[t.ID-1], l)
		}
	}
}
