package edge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/enrol"
	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

var self = link.Peer{Tenant: decisions.Tenant, Station: decisions.Self}

// testCloud is a hub over the in-memory store behind the real transport.
type testCloud struct {
	t      *testing.T
	store  *hubmem.Store
	hub    *hub.Hub
	root   *identity.Authority
	server *http.Server
	wire   *cutListener
	hide   bool // never say caught up

	mu        sync.Mutex
	replacing bool                        // the next code is for a machine that takes the station's place
	replies   map[string]*wire.EnrolReply // by request: the same gets the same
	uploads   func(b *wire.Batch) error   // asked before an upload; nil for none
	other     ticket.StationID            // the next code is for this station instead
}

func newTestCloud(t *testing.T) *testCloud {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newTestCloudOn(t, l)
}

// newTestCloudOn answers on a listener that is reached under its own address.
func newTestCloudOn(t *testing.T, l net.Listener) *testCloud {
	t.Helper()
	host, _, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &testCloud{t: t, store: hubmem.New(), replies: make(map[string]*wire.EnrolReply)}
	if c.root, err = identity.NewRoot(time.Now()); err != nil {
		t.Fatal(err)
	}
	c.store.AddStation(self, 1, []byte("chain key of a test"))
	c.hub = hub.New(c.store, c, time.Now, slog.New(slog.DiscardHandler))
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := identity.NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := c.root.IssueCloud(csr, decisions.Tenant, []string{host}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own := identity.Keypair(key, cert, c.root.Cert)
	c.wire = &cutListener{Listener: l, conns: make(map[net.Conn]struct{})}
	c.server = &http.Server{
		Handler:           httplink.NewServer(handler{c}, slog.New(slog.DiscardHandler), time.Now),
		ReadHeaderTimeout: 5 * time.Second,
	}
	tlsCfg := identity.ServerTLS(func() *tls.Certificate { return own }, c.root.Cert, time.Now)
	go func() { _ = c.server.Serve(tls.NewListener(c.wire, tlsCfg)) }()
	t.Cleanup(func() { _ = c.server.Close() })
	return c
}

// handler passes on, hiding caught_up where a row wants that.
type handler struct{ c *testCloud }

func (h handler) Feed(ctx context.Context, p link.Peer, r wire.FeedRequest) (wire.Page, error) {
	page, err := h.c.hub.Feed(ctx, p, r)
	page.CaughtUp = page.CaughtUp && !h.c.hide
	return page, err
}

func (h handler) Admit(ctx context.Context, p link.Peer, serial string, journal uint32) error {
	return h.c.hub.Admit(ctx, p, serial, journal)
}

func (h handler) Upload(ctx context.Context, p link.Peer, b *wire.Batch) (wire.Ack, error) {
	h.c.mu.Lock()
	ask := h.c.uploads
	h.c.mu.Unlock()
	if ask != nil {
		if err := ask(b); err != nil {
			return wire.Ack{}, err
		}
	}
	return h.c.hub.Upload(ctx, p, b)
}

func (h handler) History(ctx context.Context, p link.Peer, r wire.HistoryRequest) (wire.HistoryReply, error) {
	return h.c.hub.History(ctx, p, r)
}

func (h handler) Enrol(ctx context.Context, r *wire.EnrolRequest) (*wire.EnrolReply, error) {
	return h.c.hub.Enrol(ctx, r)
}

// Enrol implements hub.Enroller for anybody: one-time codes are the cloud's own tests' business.
func (c *testCloud) Enrol(_ context.Context, r *wire.EnrolRequest) (*wire.EnrolReply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.replies[string(r.StationCSR)]; have != nil {
		return have, nil
	}
	is := self.Station
	if c.other != 0 {
		is, c.other = c.other, 0
	}
	st, err := c.root.IssueStation(r.StationCSR, self.Tenant, is, time.Now())
	if err != nil {
		return nil, err
	}
	if c.replacing && is == self.Station {
		c.replacing = false
		c.store.ReplaceMachine(self, []byte("chain key of another machine"))
		c.store.SetSerial(self, st.SerialNumber.String())
	}
	site, err := c.root.IssueSite(r.SiteCSR, self.Tenant, is, time.Now())
	if err != nil {
		return nil, err
	}
	chain := func(leaf *x509.Certificate) [][]byte { return [][]byte{leaf.Raw, c.root.Cert.Raw} }
	j := c.store.Journal(self)
	reply := &wire.EnrolReply{
		Tenant: self.Tenant, Station: is, Venue: "样例大剧院", Epoch: j.Epoch, ChainKey: j.Key,
		StationChain: chain(st), SiteChain: chain(site), Root: c.root.Cert.Raw, TimeMs: time.Now().UnixMilli(),
	}
	c.replies[string(r.StationCSR)] = reply
	return reply, nil
}

// enrol makes an enrolled data directory.
func (c *testCloud) enrol() string {
	c.t.Helper()
	dir := c.t.TempDir()
	if _, err := enrol.Enrol(context.Background(), dir, c.code()); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// code is a one-time code; the test's cloud takes any.
func (c *testCloud) code() string {
	c.t.Helper()
	code, err := identity.NewCode(c.wire.Addr().String(), identity.RootHash(c.root.Cert), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	return code.String()
}

// cutListener can cut every connection and refuse new ones, as a broken line does.
type cutListener struct {
	net.Listener
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

func (l *cutListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		if !l.cut {
			l.conns[c] = struct{}{}
			l.mu.Unlock()
			return c, nil
		}
		l.mu.Unlock()
		_ = c.Close()
	}
}

func (l *cutListener) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for c := range l.conns {
			_ = c.Close()
		}
		clear(l.conns)
	}
}

// handTime is a clock set by the test; measurements do not move it.
type handTime struct {
	mu      sync.Mutex
	at      time.Time
	trusted bool
}

func (h *handTime) Now() (int64, int32, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at.UnixMilli(), 0, h.trusted
}

func (h *handTime) set(at time.Time, trusted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.trusted = at, trusted
}

func (h *handTime) Measured(int64, time.Time, time.Time) time.Duration { return 0 }

func (h *handTime) Watch() (time.Duration, bool) { return 0, false }

func (h *handTime) Floor(int64) {}

// put brings a world's first entries into the store.
func (c *testCloud) put(w *decisions.World) {
	c.t.Helper()
	r := w.Row
	c.hide = r.NotCaughtUp
	if !r.SessionAbsent {
		c.store.PutSession(self, w.Session)
	}
	c.store.PutSession(self, w.Other)
	for _, g := range w.Groups {
		if g.ID != r.Group || !r.GroupAbsent {
			c.store.PutGateGroup(self, g)
		}
	}
	for _, k := range w.Keys {
		c.store.PutSignKey(self, k)
	}
	if r.Absent {
		return
	}
	t := w.Ticket
	status := t.Status
	t.Status = ticket.StatusValid
	c.must(c.store.PutTicket(self, t))
	if r.Custody == string(ticket.CustodyCloud) {
		c.must(c.store.TakeBack(context.Background(), self.Tenant, t.ID))
	}
	t.Status = status
	if status != ticket.StatusValid {
		c.store.AddTicket(self, t)
	}
}

func (c *testCloud) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// after brings what a row wants to happen between its history and the request.
func (c *testCloud) after(w *decisions.World) {
	c.t.Helper()
	if w.Row.Custody == string(ticket.CustodyRecalled) {
		c.must(c.store.Recall(context.Background(), self.Tenant, w.Ticket.ID))
	}
	if w.Row.Unreadable {
		c.store.Put(self, wire.Entry{
			Kind: "ticket_extension", Key: wire.Key(w.Ticket.ID), Body: []byte(`{"of":"a later version"}`),
			Tickets: []ticket.TicketID{w.Ticket.ID},
		})
	}
}
