package ledger_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func (r *lRig) now() int64 { return time.Since(r.began).Nanoseconds() }

// record adds an operation that was called at a time and has just returned.
func (r *lRig) record(client int, call int64, in lIn, out lOut) {
	op := porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: r.now(), Metadata: r.life}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, op)
}

// all records an operation on every ticket.
func (r *lRig) all(client int, call int64, in lIn, out func(i int) lOut) {
	for i := range r.rules.max {
		in.Ticket = i
		r.record(client, call, in, out(i))
	}
}

// look records the state of every ticket.
func (r *lRig) look() {
	call := r.now()
	r.all(lOperator, call, lIn{Kind: lLook}, func(i int) lOut {
		_, h, _ := r.Ticket(r.id(i))
		return lOut{Held: lHeld{
			Gen: h.Gen, Holds: h.Holds, Recalling: h.Recalling, Inside: h.Inside, Used: h.Used, Passage: h.Passage,
			At: since(h.LastMs), Where: laneNumber(h.LastAt),
		}}
	})
}

// laneName is the name of a lane by its number from 1.
func laneName(n uint8) string { return string('@' + rune(n)) }

func laneNumber(name string) uint8 {
	if name == "" {
		return 0
	}
	return name[0] - '@'
}

func (r *lRig) lane(n uint8) ticket.Lane {
	l := r.world.Lanes["both"]
	l.Name = laneName(n)
	return l
}

// unknown reports whether an error leaves open what has happened, and fails the test for any other.
func (r *lRig) unknown(err error) bool {
	fault := errors.Is(err, ledger.ErrFault) && r.mortal
	if err != nil && !fault && !errors.Is(err, context.Canceled) && !r.lenient {
		r.t.Errorf("unexpected: %v", err)
	}
	return err != nil
}

func answerOut(a *ledger.Answer) lOut {
	return lOut{
		Reason: a.Verdict.Reason, N: a.Verdict.N, Of: a.Verdict.Of, At: since(a.Verdict.AtMs), Where: laneNumber(a.Verdict.Where),
		Repeated: a.Repeated, Seq: a.Seq, Ms: since(a.TimeMs),
	}
}

// device is the device that a nonce of a ticket belongs to.
func device(nonce int) string { return []string{"h1", "h2"}[nonce%2] }

func nonceOf(i, nonce int) ticket.Nonce {
	if nonce == 0 {
		return ticket.Nonce{}
	}
	return ticket.Nonce{byte(i + 1), byte(nonce)}
}

// ask performs and records a request; it returns the answer and whether there is one.
func (r *lRig) ask(ctx context.Context, client int, in lIn) (lOut, error) {
	var a ledger.Answer
	var err error
	call := r.now()
	if in.Kind == lAnnul {
		dev := device(in.Nonce)
		a, err = r.desk.Annul(ctx, &ledger.AnnulRequest{
			Device: dev, Nonce: nonceOf(in.Ticket, in.Nonce), Entry: nonceOf(in.Ticket, in.Entry), Permitted: !in.Forbidden, Lane: laneName(in.Lane),
		})
	} else {
		kind := ticket.RequestEntry
		if in.Kind == lExit {
			kind = ticket.RequestExit
		}
		a, err = r.desk.Do(ctx, &ledger.Request{
			Kind: kind, Payload: r.payload(in.Ticket), Nonce: nonceOf(in.Ticket, in.Nonce), Device: device(in.Nonce),
			Permitted: !in.Forbidden, Lane: r.lane(in.Lane), Gated: in.Gated, PermitFor: 5 * time.Second,
		})
	}
	out := answerOut(&a)
	if r.unknown(err) {
		out = lOut{Unknown: true}
	}
	r.record(client, call, in, out)
	return out, err
}

// end performs and records the end of a passage.
func (r *lRig) end(ctx context.Context, client int, in lIn) error {
	call := r.now()
	seq, err := r.desk.EndPassage(ctx, in.Grant, in.How)
	r.record(client, call, in, lOut{Unknown: r.unknown(err), Seq: seq})
	return err
}

// apply performs and records a page; ins are its tickets.
func (r *lRig) apply(client int, p *wire.Page, ins []lIn) error {
	call, page := r.now(), r.pages.Add(1)
	err := r.desk.Apply(context.Background(), p)
	out := lOut{NotYet: errors.Is(err, replica.ErrNotYet)}
	if !out.NotYet {
		out.Unknown = r.unknown(err)
	}
	for _, in := range ins {
		in.Page = page
		r.record(client, call, in, out)
		if in.Kind = lPut; err == nil && !in.Stale { // a page that fails is not stored
			r.record(client, call, in, out)
		}
	}
	if out.NotYet {
		return nil
	}
	return err
}

// finished is the history, completed with what can only be known at its end: what was told without
// waiting for the disk beside something whose end nobody knows, in a life that ended badly.
func (r *lRig) finished(crashed map[int]bool) []porcupine.Operation {
	h := slices.Clone(r.history)
	slices.SortStableFunc(h, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for i := range h {
		in, out, life := h[i].Input.(lIn), h[i].Output.(lOut), h[i].Metadata.(int)
		// A page that has to come again for its other ticket has not waited for its answer to this recall.
		out.Loose = crashed[life] && out.NotYet && in.Joint && in.Custody == ticket.CustodyRecalled
		for j := range h {
			o := &h[j]
			other := o.Input.(lIn)
			if other.Ticket != in.Ticket || o.Call > h[i].Return || o.Metadata.(int) != life {
				continue
			}
			if crashed[life] && o.Output.(lOut).Unknown && quick(&in, &out) {
				out.Loose = true
			}
		}
		h[i].Input, h[i].Output = in, out
	}
	return h
}

// quick reports whether an answer did not wait for the disk.
func quick(in *lIn, out *lOut) bool {
	switch {
	case out.Unknown:
		return false
	case in.Kind == lEnd:
		return out.Seq == 0
	case in.Kind == lMeet:
		return out.NotYet
	}
	return out.Reason == ticket.GateBusy || out.Reason == ticket.CustodyMoving
}
