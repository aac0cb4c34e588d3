package desk_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/desk"
	"yipiao/sync/journal"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
)

// A station is a real journal and a small catalogue.
type station struct {
	t   *testing.T
	dir string
	log *seglog.Log

	mu       sync.Mutex
	tickets  map[ticket.TicketID]ticket.Ticket
	held     map[ticket.TicketID]ticket.Held
	sessions map[ticket.SessionID]ticket.Session
	at       int64
}

var _ desk.Source = (*station)(nil)

const segment = 1 << 20

// noon is when every test begins.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, ticket.Shanghai())

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{
		t: t, dir: t.TempDir(), at: noon.UnixMilli(),
		tickets: make(map[ticket.TicketID]ticket.Ticket), held: make(map[ticket.TicketID]ticket.Held),
		sessions: map[ticket.SessionID]ticket.Session{3: {ID: 3, Name: "新年音乐会", HallName: "音乐厅"}, 4: {ID: 4, Name: "小种子", HallName: "小剧场"}},
	}
	s.openJournal(1)
	return s
}

func (s *station) openJournal(epoch uint32) {
	s.t.Helper()
	log, _, err := seglog.Open(seglog.Config{
		Dir: filepath.Join(s.dir, fmt.Sprint("journal-", epoch)), Epoch: epoch, Key: []byte("chain key"), SegmentSize: segment,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = log
	s.t.Cleanup(func() { _ = log.Close() })
}

// sell puts a ticket into the catalogue.
func (s *station) sell(id ticket.TicketID, seat, holder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets[id] = ticket.Ticket{
		ID: id, Session: 3, Seat: seat, Holder: holder, Order: fmt.Sprintf("ORDER-%06d", id),
		Code: ticket.TicketCode(fmt.Sprintf("110101001012026112503%08d", id)),
	}
}

// write records facts a second apart and waits until they are durable. It returns the first sequence.
func (s *station) write(facts ...any) uint64 {
	s.t.Helper()
	recs := make([]journal.Record, 0, len(facts))
	s.mu.Lock()
	for _, f := range facts {
		s.at += 1000
		r := journal.Record{TimeMs: s.at}
		switch f := f.(type) {
		case entry:
			r.Kind, r.Body = journal.Kind(f.kind), f.fact.Append(nil)
		case note:
			r.Kind, r.Body = journal.Kind(f.kind), f.note.Append(nil)
		case journal.Record:
			r.Kind, r.Body = f.Kind, f.Body
		}
		recs = append(recs, r)
	}
	s.mu.Unlock()
	last, err := s.log.Append(recs...)
	if err == nil {
		err = s.log.Wait(s.t.Context(), last)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return last - uint64(len(recs)) + 1
}

type entry struct {
	kind ticket.FactKind
	fact ticket.Fact
}

type note struct {
	kind ticket.FactKind
	note ticket.Note
}

func granted(id ticket.TicketID, lane string, gated bool) entry {
	return entry{ticket.FactEntryGranted, ticket.Fact{
		Ticket: id, Session: 3, Gen: 1, Used: 1, Lane: lane, Gated: gated, Verdict: &ticket.Verdict{Reason: ticket.Admitted, N: 1, Of: 1},
	}}
}

func refused(id ticket.TicketID, lane string, why ticket.Reason) entry {
	return entry{ticket.FactRefused, ticket.Fact{Ticket: id, Session: 3, Lane: lane, Device: "h-1", Verdict: &ticket.Verdict{Reason: why}}}
}

func ended(kind ticket.FactKind, id ticket.TicketID, of uint64) entry {
	return entry{kind, ticket.Fact{Ticket: id, Session: 3, Gen: 1, Of: of}}
}

// Journal implements desk.Source, as do the following methods.
func (s *station) Journal(from uint64, n, maxBytes int) ([]journal.Entry, error) {
	return s.log.Read(from, n, maxBytes)
}

func (s *station) WaitDurable(ctx context.Context, seq uint64) error { return s.log.Wait(ctx, seq) }

func (s *station) FirstFact() uint64 {
	for from := uint64(1); ; from++ {
		if _, err := s.log.Read(from, 1, 1); err == nil {
			return from
		}
	}
}

func (s *station) Durable() journal.Pos { return s.log.Durable() }

func (s *station) Ticket(id ticket.TicketID) (ticket.Ticket, ticket.Held, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets[id]
	return t, s.held[id], ok
}

func (s *station) Session(id ticket.SessionID) (ticket.Session, bool) {
	v, ok := s.sessions[id]
	return v, ok
}

// A running is a desk at work.
type running struct {
	*desk.Desk
	t    *testing.T
	stop func()
}

// run starts a desk over the station's directory; it ends with the test or by stop.
func (s *station) run(change ...func(*desk.Config)) *running {
	s.t.Helper()
	cfg := desk.Config{Dir: s.dir, Self: 1, Source: s, Log: slog.New(slog.NewTextHandler(s.t.Output(), nil))}
	for _, f := range change {
		f(&cfg)
	}
	d, err := desk.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var once sync.Once
	r := &running{Desk: d, t: s.t}
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				s.t.Errorf("desk: %v", err)
			}
		})
	}
	s.t.Cleanup(r.stop)
	return r
}

// await waits until the desk's status is as wanted.
func (r *running) await(what string, is func(desk.Status) bool) desk.Status {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for {
		st := r.Status()
		if is(st) {
			return st
		}
		select {
		case <-tick.C:
		case <-end:
			r.t.Fatalf("not %s: %+v", what, st)
		}
	}
}

// caughtUp waits until every durable fact is in the file.
func (r *running) caughtUp() desk.Status {
	r.t.Helper()
	return r.await("caught up", func(s desk.Status) bool { return s.Ready && s.Lag() == 0 && s.Rebuild == "" && s.Err == "" })
}

// all pages through the whole history.
func (r *running) all(f desk.Filter, rows int) []desk.Check {
	r.t.Helper()
	var out []desk.Check
	for at := (desk.Cursor{}); ; {
		l, err := r.Checks(r.t.Context(), f, at, rows)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, l.Checks...)
		if l.Next == (desk.Cursor{}) {
			return out
		}
		if at = desk.ParseCursor(l.Next.String()); at != l.Next || len(l.Checks) != rows {
			r.t.Fatalf("page of %d rows, then %v", len(l.Checks), l.Next)
		}
	}
}

func (s *station) file() string { return filepath.Join(s.dir, "desk.sqlite") }

func damage(t *testing.T, file string, at int64, with []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(with, at); err != nil {
		t.Fatal(err)
	}
}
