package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"yipiao/edge/internal/backup"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// memory is a station's memory of so many tickets and facts.
type memory struct {
	tickets int
	facts   uint64
	acked   uint64
	broken  error
	hook    func(i int) // called before every ticket
}

var _ backup.Source = (*memory)(nil)

func (m *memory) FeedPlace() (string, uint64) { return "f1", 77 }
func (m *memory) Acked() uint64               { return m.acked }

func (m *memory) Durable() journal.Pos {
	if m.facts == 0 {
		return journal.Pos{Epoch: 3}
	}
	return journal.Pos{Epoch: 3, Seq: m.facts, Sum: m.entry(m.facts).Sum}
}

func (m *memory) entry(seq uint64) journal.Entry {
	e := journal.Entry{Epoch: 3, Seq: seq, Record: journal.Record{Kind: 1, TimeMs: int64(seq), Body: []byte{0xf0, byte(seq), 0}}}
	e.Sum[0] = byte(seq)
	return e
}

func (m *memory) Journal(from uint64, n, _ int) ([]journal.Entry, error) {
	var out []journal.Entry
	for seq := from; seq <= m.facts+5 && len(out) < n; seq++ { // some became durable meanwhile
		out = append(out, m.entry(seq))
	}
	return out, m.broken
}

func (m *memory) EachSession(use func(*ticket.Session) error) error {
	return use(&ticket.Session{ID: 3, Name: "样例话剧", HallName: "一厅"})
}

func (m *memory) EachGroup(use func(*ticket.GateGroup) error) error {
	return use(&ticket.GateGroup{ID: 1, Hall: 1, Home: 4, Name: "1号门"})
}

func (m *memory) EachKey(use func(*ticket.SignKey) error) error {
	return use(&ticket.SignKey{ID: 9, Alg: "Ed25519", Public: bytes.Repeat([]byte{5}, 32)})
}

func (m *memory) ticket(i int) (*ticket.Ticket, ticket.Held) {
	t := &ticket.Ticket{
		ID: ticket.TicketID(i), Session: 3, Group: 1, Ver: 2, Seat: fmt.Sprintf("1层 %d排 %d座", i/50, i%50), Holder: "*三",
		Status: ticket.StatusValid, Cred: 1, CredHash: ticket.Hash{byte(i), 1}, Entry: ticket.Right{Custody: ticket.CustodyGranted, Gen: 2, Max: 1},
	}
	return t, ticket.Held{Gen: 2, Holds: true, Used: uint16(i % 2), Inside: i%2 == 1, LastMs: int64(i), LastAt: "L1", Passage: ticket.Passage(i % 3)}
}

func (m *memory) EachTicket(use func(*ticket.Ticket, ticket.Held) error) error {
	for i := 1; i <= m.tickets; i++ {
		if m.hook != nil {
			m.hook(i)
		}
		if err := use(m.ticket(i)); err != nil {
			return err
		}
	}
	return m.broken
}

func (m *memory) EachLocal(_ string, use func(string, func(any) error) error) error {
	return use("account/技术员", func(v any) error { return json.Unmarshal([]byte(`{"name":"技术员"}`), v) })
}

// a key pair of a test.
type pair struct {
	id *age.X25519Identity
	to age.Recipient
}

func newPair(t *testing.T) pair {
	t.Helper()
	private, public, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseX25519Identity(private)
	if err != nil {
		t.Fatal(err)
	}
	to, err := backup.ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	return pair{id, to}
}

func about(kind backup.Kind) backup.About {
	return backup.About{
		Kind: kind, Tenant: 7, Station: 4, Venue: "样例大剧院", Cloud: "127.0.0.1:1", Program: "test",
		Config: []byte(`{"data":"."}`), Now: time.Date(2026, 11, 25, 4, 30, 0, 0, ticket.Shanghai()),
	}
}

func job(t *testing.T, m *memory, dir string, keys ...pair) backup.Job {
	t.Helper()
	j := backup.Job{
		Source: m, About: about(backup.Manual), Folder: backup.Folder{Path: dir, Own: true, Data: t.TempDir()},
		Keep: backup.Keep{Daily: 7, Others: 3},
	}
	for _, k := range keys {
		j.To = append(j.To, k.to)
	}
	return j
}

func mustMake(t *testing.T, j backup.Job) backup.Result {
	t.Helper()
	r, err := backup.Make(t.Context(), j)
	if err != nil || r.Pruned != nil {
		t.Fatal(err, r.Pruned)
	}
	return r
}

func wantCode(t *testing.T, err error, code backup.Code) {
	t.Helper()
	if got := backup.CodeOf(err); got != code {
		t.Fatalf("code %q (%v), want %q", got, err, code)
	}
}

// TestMake_RoundTrip: what goes in comes out for either key (SHOW-E.3.1-b, SHOW-E.3.2).
func TestMake_RoundTrip(t *testing.T) {
	m := &memory{tickets: 9000, facts: 2500, acked: 300}
	venue, cloud := newPair(t), newPair(t)
	j := job(t, m, t.TempDir(), venue, cloud)
	var last backup.Progress
	j.Progress = func(p backup.Progress) { last = p }
	j.About.Tickets = 9000
	r := mustMake(t, j)
	want := backup.Counts{Sessions: 1, Groups: 1, Keys: 1, Local: 1, Tickets: 9000, Facts: 2200, Bytes: r.Counts.Bytes}
	if r.Counts != want || r.Bytes == 0 || last.Rows == 0 {
		t.Fatalf("%+v, progress %+v", r, last)
	}
	for _, key := range []pair{venue, cloud} {
		got, counts, err := backup.Verify(r.Path, key.id)
		if err != nil || counts != want || got != r.Manifest {
			t.Fatalf("%+v, %+v, %v", got, counts, err)
		}
	}
	man := r.Manifest
	if man.Journal.Epoch != 3 || man.Journal.Seq != 2500 || man.Journal.Acked != 300 || man.Feed.Cursor != 77 || man.Station != 4 {
		t.Fatalf("%+v", man)
	}
	next, seq := 1, uint64(301)
	_, _, err := backup.Visit(r.Path, backup.Visitor{
		Ticket: func(got *ticket.Ticket, h ticket.Held) error {
			wt, wh := m.ticket(next)
			if !reflect.DeepEqual(got, wt) || h != wh {
				return fmt.Errorf("ticket %d came back as %+v %+v", next, got, h)
			}
			next++
			return nil
		},
		Facts: func(b *wire.Batch) error {
			for i := range b.Entries {
				if e := b.Entries[i]; !reflect.DeepEqual(e, m.entry(seq)) {
					return fmt.Errorf("fact %d came back as %+v", seq, e)
				}
				seq++
			}
			return nil
		},
	}, venue.id)
	if err != nil || next != 9001 || seq != 2501 {
		t.Fatal(err, next, seq)
	}
	if err := backup.CheckSum(r.Path); err != nil {
		t.Fatal(err)
	}
}

// TestVerify_Damage: no cut and no changed byte goes unnoticed.
func TestVerify_Damage(t *testing.T) {
	key := newPair(t)
	r := mustMake(t, job(t, &memory{tickets: 300, facts: 20}, t.TempDir(), key))
	raw, err := os.ReadFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.age")
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := backup.Verify(bad, key.id); backup.CodeOf(err) != backup.CodeDamaged && backup.CodeOf(err) != backup.CodeWrongKey {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := 0; n < len(raw); n += max(1, len(raw)/200) {
		try(fmt.Sprintf("cut to %d of %d", n, len(raw)), raw[:n])
		flip := bytes.Clone(raw)
		flip[n] ^= 0x10
		try(fmt.Sprintf("byte %d changed", n), flip)
	}
	try("cut by one", raw[:len(raw)-1])
	_, _, err = backup.Verify(r.Path, newPair(t).id)
	wantCode(t, err, backup.CodeWrongKey)
	if err := os.WriteFile(r.Path, raw[:len(raw)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	wantCode(t, backup.CheckSum(r.Path), backup.CodeDamaged)
}

// TestMake_Failures: each has its code and a sentence, and leaves nothing behind.
func TestMake_Failures(t *testing.T) {
	key := newPair(t)
	m := &memory{tickets: 100}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Make(t.Context(), job(t, m, t.TempDir()))
	wantCode(t, err, backup.CodeNoRecipient)
	for _, c := range []struct {
		name   string
		folder backup.Folder
		code   backup.Code
	}{
		{"missing", backup.Folder{Path: filepath.Join(t.TempDir(), "usb")}, backup.CodeNoFolder},
		{"a file in the way", backup.Folder{Path: file}, backup.CodeNoFolder},
		{"a file in the way of an own folder", backup.Folder{Path: filepath.Join(file, "x"), Own: true}, backup.CodeNoFolder},
		{"the stick is not mounted", backup.Folder{Path: t.TempDir(), Removable: true, Data: t.TempDir()}, backup.CodeNotMounted},
	} {
		j := job(t, m, "", key)
		j.Folder = c.folder
		_, err := backup.Make(t.Context(), j)
		t.Run(c.name, func(t *testing.T) { wantCode(t, err, c.code) })
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	j := job(t, &memory{tickets: 50_000, hook: func(i int) {
		if i == 100 {
			cancel()
		}
	}}, dir, key)
	_, err = backup.Make(ctx, j)
	wantCode(t, err, backup.CodeStopped)
	_, err = backup.Make(t.Context(), job(t, &memory{broken: errors.New("bbolt")}, dir, key))
	wantCode(t, err, backup.CodeStation)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
}

// full is a disk that has room for so many bytes.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "usb", Err: syscall.ENOSPC}
	}
	return len(p), nil
}

func TestWrite_FullDisk(t *testing.T) {
	key := newPair(t)
	var whole bytes.Buffer
	if _, _, err := backup.Write(t.Context(), &whole, &memory{tickets: 20_000}, about(backup.Daily), []age.Recipient{key.to}, nil); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 100, 1000, whole.Len() / 2, whole.Len() - 200} {
		_, _, err := backup.Write(t.Context(), &full{room}, &memory{tickets: 20_000}, about(backup.Daily), []age.Recipient{key.to}, nil)
		wantCode(t, err, backup.CodeDiskFull)
	}
}

// TestMake_Generations: seven by the clock and three others stay; nobody else's files are touched.
func TestMake_Generations(t *testing.T) {
	key, dir := newPair(t), t.TempDir()
	foreign := []string{"yipiao-S-0009-20200101-000000-daily.age", "photo.jpg"}
	for _, name := range append(foreign, ".yipiao-backup-S-0004-123", "yipiao-S-0004-20200101-000000-daily.age.sha256") {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j := job(t, &memory{tickets: 3}, dir, key)
	var last backup.Result
	for day := range 10 {
		for _, kind := range []backup.Kind{backup.Daily, backup.Manual, backup.Shutdown} {
			j.About.Kind = kind
			j.About.Now = about(kind).Now.AddDate(0, 0, day)
			last = mustMake(t, j)
		}
	}
	kept, err := j.Folder.List(4)
	if err != nil {
		t.Fatal(err)
	}
	count := map[backup.Kind]int{}
	for i, b := range kept {
		count[b.Kind]++
		if i > 0 && b.At.After(kept[i-1].At) {
			t.Error("not newest first")
		}
		if err := backup.CheckSum(b.Path); err != nil {
			t.Error(err)
		}
	}
	if count[backup.Daily] != 7 || count[backup.Manual]+count[backup.Shutdown] != 3 || !kept[0].At.Equal(last.At) {
		t.Fatalf("kept %v, newest %v", count, kept[0])
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2*10+len(foreign) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	// A clock that was wrong has left names from the future: the new one stays all the same.
	j.About.Kind, j.About.Now = backup.Daily, about(backup.Daily).Now.AddDate(-1, 0, 0)
	old := mustMake(t, j)
	if _, err := os.Stat(old.Path); err != nil {
		t.Fatal(err)
	}
	again := mustMake(t, j) // the same second
	if again.Name == old.Name {
		t.Fatal("a backup was overwritten")
	}
}

func TestReseal(t *testing.T) {
	old, fresh, cloud := newPair(t), newPair(t), newPair(t)
	r := mustMake(t, job(t, &memory{tickets: 300, facts: 9}, t.TempDir(), old, cloud))
	wantCode(t, backup.Reseal(r.Path, []age.Identity{fresh.id}, []age.Recipient{fresh.to}), backup.CodeWrongKey)
	if err := backup.Reseal(r.Path, []age.Identity{old.id}, []age.Recipient{fresh.to, cloud.to}); err != nil {
		t.Fatal(err)
	}
	for _, k := range []pair{fresh, cloud} {
		if _, counts, err := backup.Verify(r.Path, k.id); err != nil || counts != r.Counts {
			t.Fatal(counts, err)
		}
	}
	_, _, err := backup.Verify(r.Path, old.id)
	wantCode(t, err, backup.CodeWrongKey)
	if err := backup.CheckSum(r.Path); err != nil {
		t.Fatal(err)
	}
}

// shelf is a Target that remembers.
type shelf struct {
	sessions, groups, keys int
	local                  map[string]string
	tickets                map[ticket.TicketID]ticket.Held
	broken                 error
	t                      *testing.T
}

var _ backup.Target = (*shelf)(nil)

func (s *shelf) PutSession(*ticket.Session) error { s.sessions++; return s.broken }
func (s *shelf) PutGroup(*ticket.GateGroup) error { s.groups++; return nil }
func (s *shelf) PutKey(*ticket.SignKey) error     { s.keys++; return nil }

func (s *shelf) PutLocal(key string, v any) error {
	raw, err := json.Marshal(v)
	s.local[key] = string(raw)
	return err
}

func (s *shelf) PutTicket(t *ticket.Ticket, h ticket.Held) error {
	if t.Entry.Custody != ticket.CustodyCloud || h.Holds || h.Recalling || h.Gen != t.Entry.Gen || h.Gen != 2 || h.Passage != ticket.PassageNone {
		s.t.Errorf("ticket %d comes back with custody: %+v %+v", t.ID, t.Entry, h)
	}
	// The cloud's word about what the old machine had gives nothing either; only a new grant does.
	for gen, holds := range map[uint32]bool{1: false, 2: false, 3: true} {
		if got, _, _, _ := h.Offer(ticket.Right{Custody: ticket.CustodyGranted, Gen: gen, Max: 1}); got.Holds != holds {
			s.t.Errorf("ticket %d, grant %d: holds %v", t.ID, gen, got.Holds)
		}
	}
	s.tickets[t.ID] = h
	return nil
}

// TestFill_NoCustody: a restored right is shown and cannot be exercised (sync.md section 8).
func TestFill_NoCustody(t *testing.T) {
	key := newPair(t)
	r := mustMake(t, job(t, &memory{tickets: 50}, t.TempDir(), key))
	s := &shelf{t: t, local: map[string]string{}, tickets: map[ticket.TicketID]ticket.Held{}}
	counts, err := backup.Fill(r.Path, []age.Identity{key.id}, s)
	if err != nil || counts != r.Counts || s.sessions != 1 || s.groups != 1 || s.keys != 1 || len(s.tickets) != 50 {
		t.Fatalf("%+v %+v %v", counts, s, err)
	}
	if s.local["account/技术员"] != `{"name":"技术员"}` {
		t.Fatalf("%v", s.local)
	}
	if text, err := backup.Config(r.Path, []age.Identity{key.id}); err != nil || string(text) != `{"data":"."}` {
		t.Fatalf("%s %v", text, err)
	}
	s.broken = io.ErrClosedPipe
	if _, err := backup.Fill(r.Path, []age.Identity{key.id}, s); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal("the target's error became", err)
	}
}

// TestKey_Lines: what a person copies is read back, and a slip is found in its line.
func TestKey_Lines(t *testing.T) {
	private, public, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	shown := backup.Lines(private)
	for name, text := range map[string]string{
		"as shown": shown, "in small letters": strings.ToLower(shown), "as age has it": "# remark\n" + private + "\n",
		"spaces": strings.ReplaceAll(shown, "  ", "   "),
	} {
		ids, err := backup.ParseKey(strings.NewReader(text))
		if err != nil || len(ids) != 1 || ids[0].(*age.X25519Identity).Recipient().String() != public {
			t.Errorf("%s: %v", name, err)
		}
	}
	rows := strings.Split(strings.TrimSpace(shown), "\n")
	for i := 1; i < len(rows); i++ {
		slip := []byte(rows[i])
		if slip[4] = 'Q'; rows[i][4] == 'Q' {
			slip[4] = 'P'
		}
		text := strings.Replace(shown, rows[i], string(slip), 1)
		_, err := backup.ParseKey(strings.NewReader(text))
		wantCode(t, err, backup.CodeBadKey)
		if !strings.Contains(err.Error(), fmt.Sprintf("line %d", i+1)) {
			t.Errorf("line %d: %v", i+1, err)
		}
	}
	for _, text := range []string{"", "hello", private[:60], strings.Join(rows[:3], "\n")} {
		_, err := backup.ParseKey(strings.NewReader(text))
		wantCode(t, err, backup.CodeBadKey)
		if len(text) > 40 && strings.Contains(err.Error(), text[16:40]) {
			t.Error("an error quotes the key")
		}
	}
	if qr, err := backup.QR(private); err != nil || strings.Count(qr, "\n") < 15 {
		t.Fatal(qr, err)
	}
}
