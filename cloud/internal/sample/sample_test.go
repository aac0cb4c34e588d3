package sample_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/people"
	"yipiao/cloud/internal/sample"
	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var home = link.Peer{Tenant: 1, Station: 1}

type world struct {
	t      *testing.T
	dir    string
	db     *store.DB
	maker  sample.Maker
	public ed25519.PublicKey
}

// each runs a test in a world on every engine.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) { test(t, newWorld(t, e.Open(t))) })
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), db: db}
	key, err := seal.NewKey(1, make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.public = pub
	w.maker = sample.Maker{DB: w.db, Tenant: 1, Key: key, SignKey: 1, Sign: priv}
	err = w.db.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "样例", FieldKey: []byte("k")}, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) wallet() string { return filepath.Join(w.dir, "wallet.jsonl") }

func (w *world) make(o sample.Options, now time.Time) *sample.Result {
	w.t.Helper()
	o.Wallet = w.wallet()
	out, err := w.maker.Make(w.t.Context(), o, now)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) cards() (out []sample.Card) {
	w.t.Helper()
	text, err := os.ReadFile(w.wallet())
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var c sample.Card
		if err := json.Unmarshal(line, &c); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// feed reads the station's feed, and returns tickets and what else it holds by kind.
func (w *world) feed() (map[ticket.TicketID]ticket.Ticket, map[ticket.SessionID]ticket.Session, map[wire.EntryKind]int) {
	w.t.Helper()
	s := custody.New(w.db, nil)
	if _, err := s.Stamp(w.t.Context(), home); err != nil {
		w.t.Fatal(err)
	}
	head, err := s.Reserve(w.t.Context(), home)
	if err != nil {
		w.t.Fatal(err)
	}
	entries, more, err := s.Page(w.t.Context(), home, hub.Span{UpTo: head.Sent, Rows: 10_000, Bytes: 1 << 30})
	if err != nil || more {
		w.t.Fatal(more, err)
	}
	tickets, sessions := make(map[ticket.TicketID]ticket.Ticket), make(map[ticket.SessionID]ticket.Session)
	kinds := make(map[wire.EntryKind]int)
	for _, e := range entries {
		kinds[e.Kind]++
		switch e.Kind {
		case wire.KindTicket:
			var t ticket.Ticket
			if err := e.DecodeBody(&t); err != nil {
				w.t.Fatal(err)
			}
			tickets[t.ID] = t
		case wire.KindSession:
			var s ticket.Session
			if err := e.DecodeBody(&s); err != nil {
				w.t.Fatal(err)
			}
			sessions[s.ID] = s
		case wire.KindGateGroup:
			if err := e.DecodeBody(new(ticket.GateGroup)); err != nil {
				w.t.Fatal(err)
			}
		case wire.KindSignKey:
		}
	}
	return tickets, sessions, kinds
}

func at(clock string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", "2026-11-25 "+clock, ticket.Shanghai())
	if err != nil {
		panic(err)
	}
	return t
}

func TestMake_WalletFeedAndCodesAgree(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		now := at("15:02:03")
		out := w.make(sample.Options{}, now)
		if out.New != 500 || out.Seats != 1200 || out.Venue != "样例大剧院" || out.Station != 1 || len(out.Sessions) != 2 {
			t.Fatalf("result %+v", out)
		}
		tickets, sessions, kinds := w.feed()
		if len(tickets) != 500 || len(sessions) != 2 || kinds[wire.KindGateGroup] != 2 {
			t.Fatalf("the feed has %v", kinds)
		}
		seats, codes := make(map[string]bool), make(map[ticket.TicketCode]bool)
		for _, c := range w.cards() {
			tk, ok := tickets[c.Ticket]
			class, cred := ticket.Classify(c.Code, 1, func(id ticket.TicketID) *ticket.Ticket { return &tk }, nil)
			switch {
			case !ok || class != ticket.ClassExact || cred.Verify(w.public) != nil:
				t.Fatalf("card of ticket %d: class %d", c.Ticket, class)
			case cred.Session != tk.Session || cred.Group != tk.Group || cred.Number != 1 || c.Session != tk.Session || c.Seat != tk.Seat:
				t.Fatalf("credential and ticket %d differ", c.Ticket)
			case tk.Code.Session() != sessions[tk.Session].Code:
				t.Fatalf("ticket code %s of session %s", tk.Code, sessions[tk.Session].Code)
			case tk.Entry != (ticket.Right{Custody: ticket.CustodyGranted, Gen: 1, Max: 1}):
				t.Fatalf("right of ticket %d: %+v", c.Ticket, tk.Entry)
			case !strings.HasPrefix(tk.Holder, "*"):
				t.Fatalf("holder %q is not masked", tk.Holder)
			}
			seats[tk.Seat+string(tk.Code[:21])], codes[tk.Code] = true, true
		}
		if len(seats) != 500 || len(codes) != 500 {
			t.Fatalf("%d seats, %d codes, want 500 each", len(seats), len(codes))
		}
		if info, err := os.Stat(w.wallet()); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("wallet: %v, %v", info.Mode(), err)
		}
	})
}

func TestMake_AgainChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.make(sample.Options{Seats: 80, Tickets: 50}, at("15:00:00"))
		before, err := os.ReadFile(w.wallet())
		if err != nil {
			t.Fatal(err)
		}
		second := w.make(sample.Options{Tickets: 50}, at("15:10:00"))
		after, err := os.ReadFile(w.wallet())
		if err != nil {
			t.Fatal(err)
		}
		if second.New != 0 || second.Sessions[0] != first.Sessions[0] || second.Sessions[1] != first.Sessions[1] || !bytes.Equal(before, after) {
			t.Fatalf("first %+v, second %+v", first, second)
		}
		more := w.make(sample.Options{Tickets: 60}, at("15:10:00"))
		if text, err := os.ReadFile(w.wallet()); err != nil || more.New != 10 || !bytes.HasPrefix(text, before) || len(w.cards()) != 60 {
			t.Fatalf("ten more: %+v, %d cards, %v", more, len(w.cards()), err)
		}
		if _, err := w.maker.Make(t.Context(), sample.Options{Seats: 90, Wallet: w.wallet()}, at("15:10:00")); err == nil {
			t.Fatal("the hall changed its seats")
		}
		if _, err := w.maker.Make(t.Context(), sample.Options{Tickets: 300, Wallet: w.wallet()}, at("15:10:00")); err == nil {
			t.Fatal("more tickets than seats")
		}
	})
}

// At any time of day: one session of today admits now and for half an hour, another one does not, and
// session codes are of their days and unique.
func TestMake_AtAnyTimeOfDay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		codes := make(map[ticket.SessionCode]bool)
		for _, clock := range []string{"00:00:00", "00:03:59", "12:34:56", "19:30:00", "23:29:00", "23:50:01", "23:59:59"} {
			now := at(clock)
			out := w.make(sample.Options{Seats: 40, Tickets: 10}, now)
			if len(out.Sessions) != 2 || !out.Sessions[0].Admitting || out.Sessions[1].Admitting {
				t.Fatalf("%s: %+v", clock, out.Sessions)
			}
			_, sessions, _ := w.feed()
			for i, s := range out.Sessions {
				full := sessions[s.ID]
				open := full.AdmitFromMs <= now.UnixMilli() && full.AdmitToMs >= now.Add(30*time.Minute).UnixMilli()
				closed := full.AdmitFromMs > now.UnixMilli() || full.AdmitToMs < now.UnixMilli()
				if start := ticket.Time(s.StartMs); start.Format("20060102") != "20261125" || string(s.Code[11:19]) != "20261125" {
					t.Errorf("%s: session %s starts %s", clock, s.Code, start)
				}
				if (i == 0 && !open) || (i == 1 && !closed) {
					t.Errorf("%s: session %d admits from %s to %s", clock, i, ticket.Time(full.AdmitFromMs), ticket.Time(full.AdmitToMs))
				}
				if s.Sold < []int{6, 4}[i] {
					t.Errorf("%s: session %d has sold %d", clock, i, s.Sold)
				}
				codes[s.Code] = true
			}
		}
		if _, sessions, _ := w.feed(); len(sessions) != len(codes) {
			t.Errorf("%d sessions, %d codes", len(sessions), len(codes))
		}
	})
}

func TestStart_EveryMinuteOfTheDay(t *testing.T) {
	for now := at("00:00:00"); now.Before(at("23:59:59")); now = now.Add(59 * time.Second) {
		open := sample.StartOpen(now)
		if open.Day() != 25 || open.Add(-sample.OpensBefore).After(now) || open.Add(sample.LastEntry).Before(now.Add(sample.MustAdmit)) {
			t.Fatalf("%s: the open session starts %s", now, open)
		}
		closed, ok := sample.StartClosed(now, open)
		if !ok || closed.Day() != 25 || !(closed.Add(-sample.OpensBefore).After(now) || closed.Add(sample.LastEntry).Before(now)) {
			t.Fatalf("%s: the closed session starts %s, %v", now, closed, ok)
		}
		if closed.Add(-sample.OpensBefore).Before(open.Add(sample.Length)) && closed.Add(sample.Length).After(open.Add(-sample.OpensBefore)) {
			t.Fatalf("%s: sessions at %s and %s meet in the hall", now, open, closed)
		}
	}
}

// SHOW-6.6: a name with a character of four bytes in GB 18030 goes all the way.
func TestMake_FourByteName(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		runes := []rune(sample.FourByte)
		last := string(runes[len(runes)-1])
		if raw, err := simplifiedchinese.GB18030.NewEncoder().String(last); err != nil || len(raw) != 4 {
			t.Fatalf("%q has %d bytes in GB 18030, %v", last, len(raw), err)
		}
		w.make(sample.Options{Seats: 40, Tickets: 10}, at("15:00:00"))
		tickets, _, _ := w.feed()
		found := 0
		for _, tk := range tickets {
			if tk.Holder == people.Mask(sample.FourByte) && strings.HasSuffix(tk.Holder, last) {
				found++
			}
		}
		if found != 2 {
			t.Fatalf("%d tickets with %q, want one a session", found, last)
		}
	})
}

func TestMake_LeftoverCardsGoAndLostOnesAreCounted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.make(sample.Options{Seats: 40, Tickets: 10}, at("15:00:00"))
		text, err := os.ReadFile(w.wallet())
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(text), "\n")
		foreign := strings.Replace(lines[0], `"ticket":`, `"ticket":9`, 1)
		torn := lines[1][:40]
		if err := os.WriteFile(w.wallet(), []byte(strings.Join(lines[2:], "")+foreign+torn), 0o644); err != nil {
			t.Fatal(err)
		}
		out := w.make(sample.Options{Tickets: 10}, at("15:00:00"))
		if out.Removed != 2 || out.Missing != 2 || len(w.cards()) != 8 {
			t.Fatalf("result %+v, %d cards", out, len(w.cards()))
		}
		if info, err := os.Stat(w.wallet()); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("wallet: %v, %v", info.Mode(), err)
		}
	})
}

// A sale that fails leaves no card behind.
func TestMake_AFailedSaleLeavesNoCard(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.make(sample.Options{Seats: 40, Tickets: 10}, at("15:00:00"))
		// From here on two new tickets are one too many.
		err := w.db.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			last, err := custody.LastTicket(ctx, tx, 1)
			if err == nil {
				_, err = tx.Exec(ctx, fmt.Sprintf(`CREATE UNIQUE INDEX no_sale ON ticket (tenant) WHERE id > %d`, last))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			err := w.db.Write(context.Background(), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, `DROP INDEX no_sale`)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		if _, err := w.maker.Make(t.Context(), sample.Options{Tickets: 20, Wallet: w.wallet()}, at("15:00:00")); err == nil {
			t.Fatal("the sale did not fail")
		}
		if n := len(w.cards()); n != 10 {
			t.Fatalf("%d cards, want 10", n)
		}
	})
}

// Full names lie sealed in the database and nowhere else (architecture.md section 5, rule 6).
func TestMake_FullNamesAreSealed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.make(sample.Options{Seats: 160, Tickets: 200}, at("15:00:00"))
		w.feed()
		names := make(map[string]bool)
		err := w.db.Read(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			return tx.Rows(ctx, `SELECT id, holder, holder_mask FROM ticket`, nil, func(row store.Scan) error {
				var id ticket.TicketID
				var sealed []byte
				var mask string
				if err := row(&id, &sealed, &mask); err != nil {
					return err
				}
				name, err := w.maker.Key.Open(sealed, sample.HolderPlace(1, id))
				if err != nil {
					return err
				}
				if people.Mask(string(name)) != mask {
					t.Errorf("mask %q", mask)
				}
				names[string(name)] = true
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(names) < 50 {
			t.Fatalf("%d names", len(names))
		}
		files, err := os.ReadDir(w.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(filepath.Join(w.dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for name := range names {
				if bytes.Contains(raw, []byte(name)) {
					t.Fatalf("%s holds the name %q", f.Name(), name)
				}
			}
			if bytes.Contains(raw, w.maker.Sign.Seed()) {
				t.Fatalf("%s holds the signing key", f.Name())
			}
		}
	})
}
