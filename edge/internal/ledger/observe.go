package ledger

import (
	"context"

	"yipiao/sync/ticket"
)

// observer tells Config.Observe of every durable fact, in order, from its own goroutine.
type observer struct {
	next   uint64
	cancel context.CancelFunc
	done   chan struct{}
}

func (o *observer) start(l *Ledger) {
	o.done = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	go func() {
		defer close(o.done)
		if l.cfg.Observe == nil {
			return
		}
		var reader ticket.FactReader
		for l.journal.Wait(ctx, o.next) == nil {
			entries, err := l.journal.Read(o.next, 256, 1<<20)
			if err != nil || len(entries) == 0 {
				return
			}
			for i := range entries {
				e := &entries[i]
				seen := Observed{Seq: e.Seq, TimeMs: e.TimeMs, Kind: ticket.FactKind(e.Kind)}
				if seen.Kind.OfTicket() {
					seen.Fact = &ticket.Fact{}
					err = reader.Fact(e.Body, seen.Fact)
				} else {
					seen.Note = &ticket.Note{}
					err = seen.Note.Decode(e.Body)
				}
				if err == nil {
					l.cfg.Observe(seen)
				}
				o.next = e.Seq + 1
			}
		}
	}()
}

func (o *observer) stop() {
	o.cancel()
	<-o.done
}
