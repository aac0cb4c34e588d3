package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	le "encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// benchSession is how many tickets a session of the bench has; each may enter so often that a measurement
// never runs out of admissions.
const benchSession = 2500

// checkedTickets is how many of all tickets, evenly spread, the callers check: their codes are made ahead.
const checkedTickets = 50_000

var benchStation = link.Peer{Tenant: 1, Station: 1}

// benchCloud issues certificates and codes and serves one station's feed behind the real transport. The
// bench measures the station, not a cloud: rows are computed when they are asked for, so that a million of
// them take no memory and little of the two cores.
type benchCloud struct {
	*benchFeed
	root *identity.Authority
	addr string
}

// newBenchCloud listens on loopback until ctx ends.
func newBenchCloud(ctx context.Context, tickets int) (*benchCloud, error) {
	feed, err := newBenchFeed(tickets)
	if err != nil {
		return nil, err
	}
	c := &benchCloud{benchFeed: feed}
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.addr = l.Addr().String()
	handler := c.timed(httplink.NewServer(c, discard, time.Now))
	go func() {
		_ = httplink.Serve(ctx, l, handler, identity.ServerTLS(func() *tls.Certificate { return own }, c.root.Cert, time.Now), discard)
	}()
	return c, nil
}

// timed notes when a page was asked for and when the last byte of the one before had been handed to the
// network: what lies between is the station's.
func (c *benchCloud) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/feed") {
			next.ServeHTTP(w, r)
			return
		}
		c.asked(time.Now())
		next.ServeHTTP(w, r)
		c.sent(time.Now())
	})
}

// Enrol admits the one station of the bench.
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

// A benchVenue computes the rows of the feed.
type benchVenue struct {
	tickets int
	secret  [16]byte
	start   time.Time
	fixed   []wire.Entry // what is no ticket, at the first positions
}

func newBenchVenue(tickets int) (*benchVenue, error) {
	v := &benchVenue{tickets: tickets, start: time.Now().Add(time.Hour)}
	if _, err := rand.Read(v.secret[:]); err != nil {
		return nil, err
	}
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	v.put(wire.KindGateGroup, "1", ticket.GateGroup{ID: 1, Hall: 1, HallName: "bench", Name: "bench", Home: benchStation.Station})
	v.put(wire.KindSignKey, "1", ticket.SignKey{ID: 1, Alg: "Ed25519", Public: pub})
	for i := 0; i*benchSession < tickets; i++ {
		s := ticket.Session{
			ID: ticket.SessionID(1 + i), Type: "1001", Name: "bench", Hall: 1, HallName: "bench", StartMs: v.start.UnixMilli(),
			EndMs: v.start.Add(4 * time.Hour).UnixMilli(), AdmitFromMs: v.start.Add(-2 * time.Hour).UnixMilli(), AdmitToMs: v.start.Add(3 * time.Hour).UnixMilli(),
			Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree,
		}
		if s.Code, err = v.session(); err != nil {
			return nil, err
		}
		v.put(wire.KindSession, wire.Key(s.ID), s)
	}
	return v, nil
}

func (v *benchVenue) session() (ticket.SessionCode, error) {
	return ticket.NewSessionCode("11010100101", v.start, 1)
}

func (v *benchVenue) put(kind wire.EntryKind, key string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain data: a programmer error
	}
	v.fixed = append(v.fixed, wire.Entry{Pos: uint64(len(v.fixed) + 1), Kind: kind, Key: key, Ver: 1, Body: text})
}

// code is the payload of the i-th ticket. Its signature is made up: a station compares the hash of a known
// payload and verifies no signature, and a million real ones would take half a minute.
func (v *benchVenue) code(i int) string {
	sum := sha256.Sum256(le.LittleEndian.AppendUint64(append([]byte(nil), v.secret[:]...), uint64(i)))
	cred := ticket.Credential{
		Key: 1, Tenant: benchStation.Tenant, Session: ticket.SessionID(1 + i/benchSession), Group: 1, Ticket: ticket.TicketID(1 + i), Number: 1,
	}
	copy(cred.Random[:], sum[:])
	copy(cred.Sig[:], sum[8:])
	copy(cred.Sig[32:], sum[:])
	return cred.Text()
}

// codes are those that callers check.
func (v *benchVenue) codes() []string {
	out := make([]string, min(v.tickets, checkedTickets))
	for i := range out {
		out[i] = v.code(i * (v.tickets / len(out)))
	}
	return out
}

// row is the i-th ticket in its ver-th version.
func (v *benchVenue) row(i int, ver, pos uint64) (wire.Entry, error) {
	code, err := v.session()
	if err != nil {
		return wire.Entry{}, err
	}
	t := ticket.Ticket{
		ID: ticket.TicketID(1 + i), Session: ticket.SessionID(1 + i/benchSession), Group: 1, Ver: ver,
		Code: ticket.TicketCode(fmt.Sprintf("%s%09d", code, i)), Type: ticket.TypeNormal,
		Seat: fmt.Sprintf("1层 A区 %02d排 %02d座", i/50%50, i%50), Holder: "*三", Order: fmt.Sprintf("O%09d-%d", i/2, ver), Status: ticket.StatusValid, Cred: 1,
		CredHash: ticket.PayloadHash(v.code(i)), Entry: ticket.Right{Custody: ticket.CustodyGranted, Gen: 1, Max: 65_000},
		Doc: ticket.PayloadHash(fmt.Sprintf("document %d", i)),
	}
	body, err := json.Marshal(&t)
	return wire.Entry{Pos: pos, Kind: wire.KindTicket, Key: wire.Key(t.ID), Ver: ver, Body: body}, err
}
