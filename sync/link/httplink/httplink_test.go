package httplink_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var feed = link.Peer{Tenant: 7, Station: 1}

// A world is a deployment with one cloud listener on loopback.
type world struct {
	t       *testing.T
	root    *identity.Authority
	address string
	counted *counted
}

// counted counts the handlers that are inside.
type counted struct {
	link.Handler
	inside atomic.Int64
}

func (c *counted) Feed(ctx context.Context, p link.Peer, r wire.FeedRequest) (wire.Page, error) {
	c.inside.Add(1)
	defer c.inside.Add(-1)
	return c.Handler.Feed(ctx, p, r)
}

func newWorld(t *testing.T, h link.Handler) *world {
	t.Helper()
	root, err := identity.NewRoot(time.Now().AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, root: root, counted: &counted{Handler: h}}
	w.address = w.serve(root, root.Cert, time.Now())
	return w
}

// serve starts a listener with a certificate that issuer signs at the given time.
func (w *world) serve(issuer *identity.Authority, shown *x509.Certificate, at time.Time) string {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	csr, key := newCSR(w.t)
	cert, err := issuer.IssueCloud(csr, 7, []string{"127.0.0.1"}, at)
	if err != nil {
		w.t.Fatal(err)
	}
	pair := identity.Keypair(key, cert, shown)
	cfg := identity.ServerTLS(func() *tls.Certificate { return pair }, shown, time.Now)
	log := slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- httplink.Serve(ctx, ln, httplink.NewServer(w.counted, log, time.Now), cfg, log) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return ln.Addr().String()
}

func newCSR(t *testing.T) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := identity.NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// station is the certificate of a station that root has signed.
func (w *world) station(id ticket.StationID) *tls.Certificate {
	w.t.Helper()
	csr, key := newCSR(w.t)
	cert, err := w.root.IssueStation(csr, 7, id, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return identity.Keypair(key, cert, w.root.Cert)
}

func (w *world) client(change func(*httplink.ClientConfig)) *httplink.Client {
	w.t.Helper()
	cfg := httplink.ClientConfig{Address: w.address, Root: w.root.Cert, Tenant: 7}
	if change != nil {
		change(&cfg)
	}
	if cfg.Own == nil {
		cfg.Own = w.station(1)
	}
	c, err := httplink.NewClient(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func newHub(t *testing.T) (*hubmem.Store, *hub.Hub) {
	t.Helper()
	store := hubmem.New()
	store.AddStation(feed, 1, []byte("chain key"))
	return store, hub.New(store, nil, time.Now, slog.New(slog.DiscardHandler))
}

func putTickets(t *testing.T, s *hubmem.Store, n int) {
	t.Helper()
	for i := range n {
		err := s.PutTicket(feed, ticket.Ticket{
			ID: ticket.TicketID(i + 1), Session: 3, Group: 1, Type: ticket.TypeNormal, Seat: fmt.Sprintf("%d排%d座", i/40+1, i%40+1),
			Code: ticket.TicketCode(fmt.Sprintf("110101001012026112501%06d", i)), Order: "O1", Status: ticket.StatusValid,
			Cred: 1, CredHash: ticket.PayloadHash(fmt.Sprint(i)), Entry: ticket.Right{Max: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func code(err error) wire.Code {
	var answer *wire.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

func TestFeed_5000RowsInOnePageAndInSmallOnes(t *testing.T) {
	store, h := newHub(t)
	const n = 5000
	putTickets(t, store, n)
	c := newWorld(t, h).client(nil)
	for _, limit := range []int{wire.MaxPageRows, 700} {
		req := wire.FeedRequest{Limit: limit}
		seen := make(map[string]bool)
		for {
			page, err := c.Feed(within(t), req)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Entries {
				e := &page.Entries[i]
				var tk ticket.Ticket
				if err := e.DecodeBody(&tk); err != nil || wire.Key(tk.ID) != e.Key || e.Pos <= req.Cursor || e.Pos > page.Next {
					t.Fatalf("entry at %d behind %d: %v", e.Pos, req.Cursor, err)
				}
				seen[e.Key] = true
			}
			if len(page.Entries) > limit {
				t.Fatalf("%d rows, at most %d were asked for", len(page.Entries), limit)
			}
			req.Epoch, req.Cursor = page.Epoch, page.Next
			if page.CaughtUp {
				break
			}
		}
		if len(seen) != n {
			t.Fatalf("limit %d: %d tickets, want %d", limit, len(seen), n)
		}
	}
}

func TestFeed_WakesAWaitingPoll(t *testing.T) {
	store, h := newHub(t)
	c := newWorld(t, h).client(nil)
	got := make(chan wire.Page, 1)
	go func() {
		page, err := c.Feed(within(t), wire.FeedRequest{WaitMs: wire.MaxWaitMs})
		if err != nil {
			t.Error(err)
		}
		got <- page
	}()
	putTickets(t, store, 1)
	if page := <-got; len(page.Entries) != 1 {
		t.Fatalf("page %+v", page)
	}
}

func TestFeed_AClientThatLeavesLeavesNoHandler(t *testing.T) {
	_, h := newHub(t)
	w := newWorld(t, h)
	const polls = 20
	var conns []net.Conn
	ctx, leave := context.WithCancel(within(t))
	ended := make(chan error, polls)
	dialed := make(chan net.Conn, polls)
	for i := range polls {
		c := w.client(func(cfg *httplink.ClientConfig) {
			cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				if err == nil {
					dialed <- conn
				}
				return conn, err
			}
		})
		use := ctx
		if i%2 == 0 {
			use = within(t) // this one loses its connection
		}
		go func() {
			_, err := c.Feed(use, wire.FeedRequest{WaitMs: wire.MaxWaitMs})
			ended <- err
		}()
		conns = append(conns, <-dialed)
	}
	waitFor(t, func() bool { return w.counted.inside.Load() == polls })
	leave()
	for i := 0; i < polls; i += 2 {
		_ = conns[i].Close()
	}
	waitFor(t, func() bool { return w.counted.inside.Load() == 0 })
	for range polls {
		if err := <-ended; err == nil || code(err) != "" {
			t.Errorf("a poll that was cut off ended with %v", err)
		}
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	ctx := within(t)
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("the condition did not come true in time")
		case <-tick.C:
		}
	}
}

func TestUpload(t *testing.T) {
	store, h := newHub(t)
	c := newWorld(t, h).client(nil)
	b := wire.Batch{Epoch: 1}
	var prev journal.Sum
	for i := range uint64(3000) {
		e := journal.Entry{Epoch: 1, Seq: i + 1, Record: journal.Record{
			Kind: journal.Kind(ticket.FactUplinkChanged), TimeMs: int64(i), OffsetMs: -5, Body: []byte(`{"sub":"wan"}`),
		}}
		e.Sum = journal.Chain([]byte("chain key"), prev, &e)
		prev = e.Sum
		b.Entries = append(b.Entries, e)
	}
	for range 2 { // again is harmless
		ack, err := c.Upload(within(t), &b)
		if err != nil || ack.Durable != 3000 || ack.Folded != 3000 || ack.TimeMs == 0 {
			t.Fatalf("ack %+v, %v", ack, err)
		}
	}
	if n := len(store.Facts(feed)); n != 3000 {
		t.Fatalf("%d facts stored", n)
	}
	gap := wire.Batch{Epoch: 1, Entries: []journal.Entry{{Epoch: 1, Seq: 3005}}}
	_, err := c.Upload(within(t), &gap)
	var answer *wire.Error
	if !errors.As(err, &answer) || answer.Code != wire.CodeGap || answer.Ack == nil || answer.Ack.Durable != 3000 {
		t.Fatalf("gap: %v", err)
	}
}
