package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// benchTickets is how many tickets the measured station holds; each may enter very often, so that a
// measurement never runs out of admissions.
const benchTickets = 10_000

var benchStation = link.Peer{Tenant: 1, Station: 1}

// benchCloud is a hub in memory behind the real transport: the bench measures the station, not a cloud.
type benchCloud struct {
	store *hubmem.Store
	root  *identity.Authority
	addr  string
	codes []string
}

// newBenchCloud listens on loopback until ctx ends.
func newBenchCloud(ctx context.Context) (*benchCloud, error) {
	c := &benchCloud{store: hubmem.New()}
	var err error
	if c.root, err = identity.NewRoot(time.Now()); err != nil {
		return nil, err
	}
	key, err := identity.NewKey()
	if err != nil {
		return nil, err
	}
	csr, err := identity.NewCSR(key)
	if err != nil {
		return nil, err
	}
	cert, err := c.root.IssueCloud(csr, benchStation.Tenant, []string{"127.0.0.1"}, time.Now())
	if err != nil {
		return nil, err
	}
	own := identity.Keypair(key, cert, c.root.Cert)
	c.store.AddStation(benchStation, 1, []byte("chain key of a bench"))
	if err := c.fill(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.addr = l.Addr().String()
	quiet := slog.New(slog.DiscardHandler)
	h := hub.New(c.store, c, time.Now, quiet)
	go func() {
		_ = httplink.Serve(ctx, l, httplink.NewServer(h, quiet, time.Now),
			identity.ServerTLS(func() *tls.Certificate { return own }, c.root.Cert, time.Now), quiet)
	}()
	return c, nil
}

// Enrol implements hub.Enroller for the one station of the bench.
func (c *benchCloud) Enrol(_ context.Context, r *wire.EnrolRequest) (*wire.EnrolReply, error) {
	st, err := c.root.IssueStation(r.StationCSR, benchStation.Tenant, benchStation.Station, time.Now())
	if err != nil {
		return nil, err
	}
	site, err := c.root.IssueSite(r.SiteCSR, benchStation.Tenant, benchStation.Station, time.Now())
	if err != nil {
		return nil, err
	}
	chain := func(leaf *x509.Certificate) [][]byte { return [][]byte{leaf.Raw, c.root.Cert.Raw} }
	return &wire.EnrolReply{
		Tenant: benchStation.Tenant, Station: benchStation.Station, Venue: "bench", Epoch: 1,
		ChainKey: []byte("chain key of a bench"), StationChain: chain(st), SiteChain: chain(site),
		Root: c.root.Cert.Raw, TimeMs: time.Now().UnixMilli(),
	}, nil
}

func (c *benchCloud) code() (string, error) {
	code, err := identity.NewCode(c.addr, identity.RootHash(c.root.Cert), rand.Reader)
	return code.String(), err
}

func (c *benchCloud) fill() error {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	s := ticket.Session{
		ID: 1, Type: "1001", Name: "bench", Hall: 1, HallName: "bench", StartMs: now.Add(time.Hour).UnixMilli(),
		EndMs: now.Add(5 * time.Hour).UnixMilli(), AdmitFromMs: now.Add(-time.Hour).UnixMilli(), AdmitToMs: now.Add(4 * time.Hour).UnixMilli(),
		Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree,
	}
	if s.Code, err = ticket.NewSessionCode("11010100101", time.UnixMilli(s.StartMs), 1); err != nil {
		return err
	}
	c.store.PutSession(benchStation, s)
	c.store.PutGateGroup(benchStation, ticket.GateGroup{ID: 1, Hall: 1, HallName: "bench", Name: "bench", Home: 1})
	c.store.PutSignKey(benchStation, ticket.SignKey{ID: 1, Alg: "Ed25519", Public: pub})
	for i := range benchTickets {
		cred := ticket.Credential{Key: 1, Tenant: benchStation.Tenant, Session: 1, Group: 1, Ticket: ticket.TicketID(i + 1), Number: 1}
		if _, err := rand.Read(cred.Random[:]); err != nil {
			return err
		}
		cred.Sign(priv)
		text := cred.Text()
		c.codes = append(c.codes, text)
		err := c.store.PutTicket(benchStation, ticket.Ticket{
			ID: cred.Ticket, Session: 1, Group: 1, Code: ticket.TicketCode(fmt.Sprintf("%s%09d", s.Code, i)), Type: ticket.TypeNormal,
			Seat: "1层 A区 12排 08座", Holder: "*三", Order: "O-1", Status: ticket.StatusValid, Cred: 1,
			CredHash: ticket.PayloadHash(text), Entry: ticket.Right{Max: 65_000},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
