package cloud_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/cloud"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/journal"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A buffer collects the log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A world is a cloud with its sample, at work.
type world struct {
	t      *testing.T
	dir    string
	cfg    cloud.Config
	cloud  *cloud.Cloud
	init   *cloud.InitResult
	log    buffer
	wallet string
}

// first is a directory with a new cloud and its sample, of which every test gets a copy, and of its
// database where that is not in the directory.
type first struct {
	dir, database string
	init          *cloud.InitResult
	err           error
}

func makeFirst(database string) (f first) {
	f.database = database
	if f.dir, f.err = os.MkdirTemp("", "cloud-test-*"); f.err != nil {
		return f
	}
	cfg := configIn(f.dir)
	cfg.Database = database
	if f.init, f.err = cloud.Init(context.Background(), cfg, "样例票务", time.Now()); f.err != nil {
		return f
	}
	c, err := cloud.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		f.err = err
		return f
	}
	_, err = c.Sample(context.Background(), options(f.dir, 20))
	f.err = errors.Join(err, c.Close())
	return f
}

// originals are made when the first test asks, by name of the engine.
var originals = struct {
	sync.Mutex
	of map[string]first
}{of: make(map[string]first)}

func original(t *testing.T, engine string) first {
	t.Helper()
	originals.Lock()
	defer originals.Unlock()
	f, made := originals.of[engine]
	if !made {
		database := ""
		if engine == "postgres" {
			database = pgtest.EmptyPostgres(t)
		}
		f = makeFirst(database)
		originals.of[engine] = f
	}
	if f.err != nil {
		t.Fatal(f.err)
	}
	return f
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range originals.of {
		_ = os.RemoveAll(f.dir)
	}
	os.Exit(code)
}

func configIn(dir string) cloud.Config {
	return cloud.Config{
		Data: filepath.Join(dir, "data"), MasterKey: filepath.Join(dir, "escrow", "master.key"),
		Listen: cloud.Listen{Sync: "127.0.0.1:0"},
	}
}

func options(dir string, tickets int) cloud.SampleOptions {
	return cloud.SampleOptions{Seats: 80, Tickets: tickets, Wallet: filepath.Join(dir, "wallet.jsonl")}
}

// each runs a test in a world on every engine.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) { test(t, worldOn(t, e.Name)) })
}

// newWorld is one on SQLite, for what has nothing to do with databases.
func newWorld(t *testing.T) *world {
	t.Helper()
	return worldOn(t, "sqlite")
}

func worldOn(t *testing.T, engine string) *world {
	t.Helper()
	from := original(t, engine)
	dir := filepath.Join(t.TempDir(), "copy")
	if err := copyDir(dir, from.dir); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, wallet: filepath.Join(dir, "wallet.jsonl"), cfg: configIn(dir), init: from.init}
	if from.database != "" {
		w.cfg.Database = pgtest.CopyPostgres(t, from.database)
	}
	w.cloud = w.open()
	return w
}

// copyDir copies files with their modes, which os.CopyFS widens.
func copyDir(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.Mkdir(target, 0o700)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, raw, 0o600)
	})
}

func (w *world) open() *cloud.Cloud {
	w.t.Helper()
	c, err := cloud.New(w.cfg, slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return c
}

// run starts the cloud and returns its addresses.
func (w *world) run() cloud.Listen {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.cloud.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	wait, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	at, err := w.cloud.Bound(wait)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// A station does what a station does, as far as these tests need it.
type station struct {
	t         *testing.T
	client    *httplink.Client
	chainKey  []byte
	recipient string
	epoch     string
	cursor    uint64
	tickets   map[ticket.TicketID]ticket.Ticket
	held      map[ticket.TicketID]ticket.Held
	log       []journal.Entry
}

func (w *world) enrol() *station {
	w.t.Helper()
	text, err := w.cloud.EnrolCode(w.t.Context(), 0, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.become(text)
}

// become is a machine that uses a code.
func (w *world) become(text cloud.EnrolCode) *station {
	w.t.Helper()
	code, err := identity.ParseCode(text.Code)
	if err != nil || code.Root != w.init.Root || text.Station != 1 {
		w.t.Fatalf("code %+v, %v", code, err)
	}
	csr := func() ([]byte, *ecdsa.PrivateKey) {
		key, err := identity.NewKey()
		if err != nil {
			w.t.Fatal(err)
		}
		der, err := identity.NewCSR(key)
		if err != nil {
			w.t.Fatal(err)
		}
		return der, key
	}
	own, key := csr()
	site, _ := csr()
	e, err := httplink.Enrol(w.t.Context(), code, own, site, httplink.EnrolConfig{})
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := httplink.NewClient(httplink.ClientConfig{
		Address: code.Address, Root: e.Root, Own: identity.Keypair(key, e.Station...), Tenant: e.Reply.Tenant,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return &station{
		t: w.t, client: client, chainKey: e.Reply.ChainKey, recipient: e.Reply.BackupRecipient,
		tickets: make(map[ticket.TicketID]ticket.Ticket), held: make(map[ticket.TicketID]ticket.Held),
	}
}

// poll reads the feed once and returns how many rows came.
func (s *station) poll(waitMs int) int {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	page, err := s.client.Feed(ctx, wire.FeedRequest{Epoch: s.epoch, Cursor: s.cursor, WaitMs: waitMs})
	if err != nil || page.Reset {
		s.t.Fatalf("feed: reset %v, %v", page.Reset, err)
	}
	for _, e := range page.Entries {
		if e.Kind != wire.KindTicket {
			continue
		}
		var tk ticket.Ticket
		if err := e.DecodeBody(&tk); err != nil {
			s.t.Fatal(err)
		}
		s.tickets[tk.ID] = tk
		s.held[tk.ID], _, _, _ = s.held[tk.ID].Offer(tk.Entry)
	}
	s.epoch, s.cursor = page.Epoch, page.Next
	return len(page.Entries)
}

func (s *station) write(kind ticket.FactKind, body any) {
	s.t.Helper()
	var raw []byte
	switch b := body.(type) {
	case ticket.Fact:
		raw = b.Append(nil)
	case ticket.Note:
		raw = b.Append(nil)
	case string:
		raw = []byte(b)
	}
	e := journal.Entry{Epoch: 1, Seq: uint64(len(s.log)) + 1, Record: journal.Record{Kind: journal.Kind(kind), TimeMs: time.Now().UnixMilli(), Body: raw}}
	var prev journal.Sum
	if n := len(s.log); n > 0 {
		prev = s.log[n-1].Sum
	}
	e.Sum = journal.Chain(s.chainKey, prev, &e)
	s.log = append(s.log, e)
}

func (s *station) admit(id ticket.TicketID) {
	f := ticket.Fact{
		Ticket: id, Session: s.tickets[id].Session, Gen: s.held[id].Gen, Used: s.held[id].Used + 1, Inside: true, Lane: "L1",
		Verdict: &ticket.Verdict{Reason: ticket.Admitted, N: 1, Of: 1},
	}
	s.held[id] = s.held[id].Fold(ticket.FactEntryGranted, &f, 1)
	s.write(ticket.FactEntryGranted, f)
}

func (s *station) upload() wire.Ack {
	s.t.Helper()
	ack, err := s.client.Upload(s.t.Context(), &wire.Batch{Epoch: 1, Entries: s.log})
	if err != nil {
		s.t.Fatal(err)
	}
	return ack
}

func (s *station) digests() map[ticket.SessionID]ticket.Digest {
	out := make(map[ticket.SessionID]ticket.Digest)
	for id, tk := range s.tickets {
		h, d := s.held[id], out[tk.Session]
		st := ticket.Standing{Ticket: id, Ver: tk.Ver, Gen: h.Gen, Hand: tk.Entry.Hand, Used: h.Used, Inside: h.Inside}
		if h.Holds {
			st.Holder = 1
		}
		d.Add(st)
		out[tk.Session] = d
	}
	return out
}

func TestCloud_FromEmptyDirectoryToEqualDigests(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.run()
		s := w.enrol()
		for s.poll(0) > 0 {
		}
		if len(s.tickets) != 20 {
			t.Fatalf("%d tickets", len(s.tickets))
		}
		n := 0
		for id := range s.tickets {
			if n++; n <= 7 {
				s.admit(id)
			}
		}
		s.write(ticket.FactUplinkChanged, ticket.Note{Subject: "wan", State: "extreme"})
		s.write(99, "nobody knows")
		if ack := s.upload(); ack.Durable != 9 || ack.Folded != 9 {
			t.Fatalf("ack %+v", ack)
		}
		d, err := w.cloud.Digests(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		used, want := 0, s.digests()
		for _, sd := range d.Sessions {
			used += sd.Used
			if sd.Digest != want[sd.ID] || sd.Tickets == 0 {
				t.Errorf("session %d: digest %s of %d tickets, want %s", sd.ID, sd.Digest, sd.Tickets, want[sd.ID])
			}
		}
		last := s.log[len(s.log)-1].Sum
		if len(d.Sessions) != 2 || used != 7 || d.FeedHead != s.cursor || d.FeedPending != 0 || d.JournalFolded != 9 || d.DeadLetters != 1 ||
			d.FeedEpoch != s.epoch || d.JournalSum != hexOf(last[:]) {
			t.Errorf("digests %+v", d)
		}
		st, err := w.cloud.Status(t.Context())
		if err != nil || !st.Ready || len(st.Stations) != 1 || st.Stations[0].SeenMs == 0 || st.Stations[0].Durable != 9 || st.Stations[0].FeedSent != s.cursor {
			t.Errorf("status %+v, %v", st, err)
		}
		if _, err := w.cloud.Digests(t.Context(), 2); !errors.Is(err, cloud.ErrNotFound) {
			t.Errorf("digests of nobody: %v", err)
		}
		if _, err := w.cloud.EnrolCode(t.Context(), 1, ""); !errors.Is(err, cloud.ErrEnrolled) {
			t.Errorf("another code for the station: %v", err)
		}
		w.nothingPersonalInTheLog()
	})
}

// nothingPersonalInTheLog looks for credentials, ticket codes and seats.
func (w *world) nothingPersonalInTheLog() {
	w.t.Helper()
	log := w.log.String()
	if !strings.Contains(log, "cloud serves") {
		w.t.Fatalf("log %q", log)
	}
	for _, secret := range []string{"YP1:", "11010199901", "座", w.init.Password, "E1/"} {
		if strings.Contains(log, secret) {
			w.t.Errorf("the log holds %q", secret)
		}
	}
}

// Another process sells while the cloud runs: a waiting station has it in a moment.
func TestCloud_SampleBesideARunningCloudReachesAWaitingStation(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.run()
		s := w.enrol()
		for s.poll(0) > 0 {
		}
		beside := w.open()
		got := make(chan int, 1)
		go func() { got <- s.poll(wire.MaxWaitMs) }()
		out, err := beside.Sample(t.Context(), options(w.dir, 30))
		if err != nil || out.New != 10 {
			t.Fatalf("sample %+v, %v", out, err)
		}
		n := <-got
		for len(s.tickets) < 30 && n > 0 {
			n = s.poll(wire.MaxWaitMs)
		}
		if len(s.tickets) != 30 { // a poll that nobody wakes ends empty
			t.Fatalf("%d tickets", len(s.tickets))
		}
	})
}

func TestInit_LeavesFilesForItsOwnerOnlyAndOnlyOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if _, err := cloud.Init(t.Context(), w.cfg, "again", time.Now()); !errors.Is(err, cloud.ErrExists) {
			t.Errorf("init again: %v", err)
		}
		err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		master, err := os.ReadFile(w.cfg.MasterKey)
		if err != nil || len(bytes.TrimSpace(master)) != 64 {
			t.Errorf("master key: %v", err)
		}
		for password, want := range map[string]bool{w.init.Password: true, "wrong": false} {
			if good, err := w.cloud.VerifyPassword(t.Context(), w.init.Name, password); good != want || err != nil {
				t.Errorf("password: %v, %v", good, err)
			}
		}
		if good, err := w.cloud.VerifyPassword(t.Context(), "nobody", w.init.Password); good || err != nil {
			t.Errorf("unknown name: %v, %v", good, err)
		}
	})
}

func TestNew_SaysWhatIsMissing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		log := slog.New(slog.DiscardHandler)
		if _, err := cloud.New(cloud.Config{Data: t.TempDir()}, log); !errors.Is(err, cloud.ErrNoData) {
			t.Errorf("empty directory: %v", err)
		}
		other := w.cfg
		other.MasterKey = filepath.Join(t.TempDir(), "none")
		if _, err := cloud.New(other, log); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no master key: %v", err)
		}
		if err := os.WriteFile(other.MasterKey, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cloud.New(other, log); err == nil || !strings.Contains(err.Error(), "read root") {
			t.Errorf("another master key: %v", err)
		}
	})
}

func TestCloud_StationsAndCodes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if _, err := w.cloud.EnrolCode(t.Context(), 0, ""); err == nil || !strings.Contains(err.Error(), "public") {
			t.Errorf("no address is known: %v", err)
		}
		id, err := w.cloud.CreateStation(t.Context(), "样例大剧院", "副站")
		if err != nil || id != 2 {
			t.Fatalf("station %d, %v", id, err)
		}
		if _, err := w.cloud.EnrolCode(t.Context(), 0, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "station") {
			t.Errorf("two stations wait: %v", err)
		}
		if _, err := w.cloud.EnrolCode(t.Context(), 9, "127.0.0.1:1"); !errors.Is(err, cloud.ErrUnknownStation) {
			t.Errorf("unknown station: %v", err)
		}
		if code, err := w.cloud.EnrolCode(t.Context(), 2, "127.0.0.1:1"); err != nil || code.Station != 2 {
			t.Errorf("code %+v, %v", code, err)
		}
		for _, c := range [][2]string{{"", "x"}, {"x", ""}} {
			if _, err := w.cloud.CreateStation(t.Context(), c[0], c[1]); err == nil {
				t.Errorf("venue %q, name %q was accepted", c[0], c[1])
			}
		}
		st, err := w.cloud.Status(t.Context())
		if err != nil || len(st.Stations) != 2 || !st.Ready {
			t.Fatalf("status %+v, %v", st, err)
		}
	})
}

// A second station of the venue knows all sessions and gates, and no ticket of the first.
func TestCloud_ASecondStationsFeed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if _, err := w.cloud.CreateStation(t.Context(), "样例大剧院", "副站"); err != nil {
			t.Fatal(err)
		}
		d, err := w.cloud.Digests(t.Context(), 2)
		if err != nil || len(d.Sessions) != 0 || d.FeedPending != 5 { // two sessions, two gates, one key
			t.Fatalf("digests %+v, %v", d, err)
		}
	})
}
