package index_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

const (
	crowd  = 600 // tickets that all goroutines work on
	rounds = 4000
)

// lock returns the locked row of a ticket, made if obtain says so, as the ledger does.
func lock(x *index.Index, id ticket.TicketID, obtain bool) (index.Slot, *index.Row) {
	for {
		s := x.Find(id)
		if s == 0 && obtain {
			s, _ = x.Obtain(id)
		}
		if s == 0 {
			return 0, nil
		}
		x.Lock(s)
		if r := x.Row(s); r.ID == id {
			return s, r
		}
		x.Unlock(s)
	}
}

// feed gives tickets new credentials and documents. A row's Ver always says which they are, and LastMs
// which ticket it is, so that whoever holds the row lock can tell a row that is torn.
func feed(x *index.Index, rnd *rand.Rand) error {
	for range rounds {
		id := ticket.TicketID(rnd.Uint64N(crowd) + 1)
		s, r := lock(x, id, true)
		if r.Ver != 0 {
			x.Unlink(index.KeyDocument, hash(r.Ver), s)
		}
		r.Ver, r.LastMs, r.Gen = rnd.Uint64N(1<<40)+1, int64(id), r.Gen+1
		x.SetCredential(s, hash(r.Ver))
		x.Link(index.KeyDocument, hash(r.Ver), s)
		x.Unlock(s)
	}
	return nil
}

func purge(x *index.Index, rnd *rand.Rand) error {
	for range rounds {
		s, r := lock(x, ticket.TicketID(rnd.Uint64N(crowd)+1), false)
		if r == nil {
			continue
		}
		if r.Ver != 0 {
			x.Unlink(index.KeyDocument, hash(r.Ver), s)
		}
		x.Remove(s)
		x.Unlock(s)
	}
	return nil
}

// season has sessions come and go, each with tickets of its own that name it in Ver.
func season(x *index.Index, rnd *rand.Rand) error {
	first := ticket.TicketID(1000 + rnd.Uint64N(1<<40)<<8)
	for range rounds / 20 {
		session := ticket.SessionID(rnd.Uint64N(1<<40) + 1)
		number := x.Sessions.Number(session)
		for id := first; id < first+20; id++ {
			s, r := lock(x, id, true)
			r.Session, r.Ver, r.LastMs = number, uint64(session), int64(id)
			x.Unlock(s)
		}
		for id := first; id < first+20; id++ {
			s, _ := lock(x, id, false)
			x.Remove(s)
			x.Unlock(s)
		}
		x.Sessions.Drop(number)
	}
	return nil
}

// whole tells what is wrong with a locked row.
func whole(x *index.Index, r *index.Row) error {
	switch {
	case r.ID == 0 || r.Ver == 0:
		return nil
	case r.LastMs != int64(r.ID):
		return fmt.Errorf("row of ticket %d holds that of %d", r.ID, r.LastMs)
	case r.Session != 0 && x.Sessions.ID(r.Session) != ticket.SessionID(r.Ver):
		return fmt.Errorf("ticket %d of session %d is in session %d", r.ID, r.Ver, x.Sessions.ID(r.Session))
	case r.Session == 0 && r.CredHash != hash(r.Ver):
		return fmt.Errorf("ticket %d has the credential of another", r.ID)
	}
	return nil
}

// gate looks tickets up in every way.
func gate(x *index.Index, rnd *rand.Rand) error {
	var slots []index.Slot
	for range rounds {
		s, r := lock(x, ticket.TicketID(rnd.Uint64N(crowd)+1), false)
		if r == nil {
			continue
		}
		err := whole(x, r)
		slots = x.Candidates(index.KeyDocument, hash(r.Ver), slots[:0])
		if r.Ver != 0 && (!slices.Contains(slots, s) || x.FindCredential(hash(r.Ver)) != s) {
			err = fmt.Errorf("ticket %d is not found by its document or credential", r.ID)
		}
		x.Unlock(s)
		if err != nil {
			return err
		}
	}
	return nil
}

// survey walks over all rows, and keeps and reads back snapshots.
func survey(x *index.Index, _ *rand.Rand) error {
	for range 12 {
		for s := range x.All() {
			x.Lock(s)
			err := whole(x, x.Row(s))
			x.Unlock(s)
			if err != nil {
				return err
			}
		}
		var b bytes.Buffer
		if _, err := x.WriteTo(&b); err != nil {
			return err
		}
		y, err := index.Read(&b)
		if err != nil {
			return err
		}
		if err := y.Check(); err != nil {
			return err
		}
		for s := range y.All() {
			if err := whole(y, y.Row(s)); err != nil {
				return fmt.Errorf("in the snapshot: %w", err)
			}
		}
	}
	return nil
}

func TestIndex_Concurrent(t *testing.T) {
	x := index.New()
	var wg sync.WaitGroup
	for n, work := range []func(*index.Index, *rand.Rand) error{feed, feed, purge, season, season, gate, gate, survey, survey} {
		wg.Go(func() {
			if err := work(x, rand.New(rand.NewPCG(uint64(n), 1))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := x.Check(); err != nil {
		t.Fatal(err)
	}
	for s := range x.All() {
		x.Remove(s)
	}
	if err := x.Check(); err != nil || x.Len() != 0 {
		t.Fatalf("%d rows left: %v", x.Len(), err)
	}
}
