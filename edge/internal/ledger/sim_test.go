package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/replica/replicatest"
	"yipiao/sync/simtest"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// TestSim: the ledger as it is, bbolt and all, as the stations of the simulation (I1 to I6). A power cut
// leaves the catalogue as it is on the disk at that moment, and of the journal what was durable.
func TestSim(t *testing.T) {
	simtest.Seeds(t, "ledger", ledgers(t), 4, 10*time.Second)
}

// ledgers is a simulation's Build with ledgers for stations.
func ledgers(t *testing.T) simtest.Build {
	return simtest.Build{
		Cloud: simtest.MemoryCloud,
		Machine: func(self ticket.StationID, tenant ticket.TenantID) simtest.Machine {
			base, err := os.MkdirTemp(t.TempDir(), "machine")
			if err != nil {
				panic(err)
			}
			m := &simMachine{base: base, self: self, tenant: tenant, busy: make(chan struct{}, 1)}
			if err := os.MkdirAll(m.dir(), 0o700); err != nil {
				panic(err)
			}
			return m
		},
		Light: true,
	}
}

// A simMachine is a station's machine with a ledger on files.
type simMachine struct {
	base   string
	copies int
	self   ticket.StationID
	tenant ticket.TenantID
	now    *ledger.Ledger
	// busy is taken by whoever uses the catalogue: the ledger's own locks for that are held while waiting
	// for the journal, and virtual time would stand still for those who want them.
	busy chan struct{}
}

func (m *simMachine) dir() string { return filepath.Join(m.base, fmt.Sprint(m.copies)) }

func (m *simMachine) Start(env simtest.Env) (replicatest.Station, error) {
	l, _, err := ledger.Open(ledger.Config{
		Dir: m.dir(), Self: m.self, Tenant: m.tenant, DataKey: make([]byte, 32), Clock: env.Clock, Log: slog.New(slog.DiscardHandler),
	}, env.Log)
	m.now = l
	return &simStation{Ledger: l, m: m}, err
}

func (m *simMachine) Stop(ctx context.Context) error {
	return m.alone(ctx, m.now.Close)
}

func (m *simMachine) PowerCut(ctx context.Context) {
	_ = m.alone(ctx, func() error {
		found := m.dir()
		m.copies++
		if err := os.CopyFS(m.dir(), os.DirFS(found)); err != nil {
			panic(err)
		}
		_ = m.now.Close() // of what is left behind
		return os.RemoveAll(found)
	})
}

// alone runs use when nobody else is at the catalogue.
func (m *simMachine) alone(ctx context.Context, use func() error) error {
	select {
	case m.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-m.busy }()
	simtest.Settle(ctx)
	return use()
}

// A simStation is a ledger in the suite's words.
type simStation struct {
	*ledger.Ledger
	m *simMachine
}

var _ replicatest.Station = (*simStation)(nil)

func (s *simStation) Do(ctx context.Context, q *replicamem.Request) (replicamem.Answer, error) {
	a, err := s.Ledger.Do(ctx, &ledger.Request{
		Kind: q.Kind, Payload: q.Payload, Nonce: q.Nonce, Device: q.Device, Permitted: true, Lane: q.Lane, Gated: q.Gated,
	}, ticket.Check)
	return replicamem.Answer{Verdict: a.Verdict, Seq: a.Seq, Repeated: a.Repeated}, err
}

func (s *simStation) Annul(ctx context.Context, device string, nonce, entry ticket.Nonce) (replicamem.Answer, error) {
	a, err := s.Ledger.Annul(ctx, &ledger.AnnulRequest{Device: device, Nonce: nonce, Entry: entry, Permitted: true, Lane: "1"})
	return replicamem.Answer{Verdict: a.Verdict, Seq: a.Seq, Repeated: a.Repeated}, err
}

func (s *simStation) OpenPassages() []uint64 {
	var out []uint64
	for _, g := range s.Ledger.OpenPassages("1") {
		out = append(out, g.Seq)
	}
	return out
}

func (s *simStation) EndPassage(ctx context.Context, grant uint64, how replicamem.End) error {
	_, err := s.Ledger.EndPassage(ctx, grant, ledger.End(how)) // the same numbers
	return err
}

func (s *simStation) Checkpoint(ctx context.Context) error {
	return s.m.alone(ctx, s.Ledger.Checkpoint)
}

func (s *simStation) Apply(ctx context.Context, p *wire.Page) error {
	return s.m.alone(ctx, func() error { return s.Ledger.Apply(ctx, p) })
}

func (s *simStation) Reset(ctx context.Context, epoch string) error {
	return s.m.alone(ctx, func() error { return s.Ledger.Reset(ctx, epoch) })
}

func (s *simStation) Standing(id ticket.TicketID) (ticket.Standing, bool) {
	tk, h, known := s.Ticket(id)
	st := ticket.Standing{Ticket: id, Ver: tk.Ver, Gen: h.Gen, Hand: tk.Entry.Hand, Used: h.Used, Inside: h.Inside}
	if h.Holds {
		st.Holder = s.m.self
	}
	return st, known
}
