package desk_test

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"yipiao/edge/internal/desk"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// dump is everything in the file but its log, as text.
func dump(t *testing.T, file string) string {
	t.Helper()
	db := openRaw(t, file)
	var b strings.Builder
	for _, q := range []string{
		`SELECT name || '=' || value FROM meta ORDER BY name`,
		`SELECT concat_ws('|', seq, at_ms, kind, outcome, reason, n, n_of, says_ms, says_at, ticket, session, lane, device, times,
			passage, passage_ms, seat, holder, order_tail, code_tail, show, hall, text) FROM checked ORDER BY seq`,
		`SELECT concat_ws('|', seq, at_ms, kind, subject, state, was, note, value) FROM event ORDER BY seq`,
		`SELECT count(*) FROM checked_text WHERE checked_text MATCH '"12排"'`,
	} {
		b.WriteString(lines(t, db, q))
	}
	if _, err := db.Exec(`INSERT INTO checked_text (checked_text, rank) VALUES ('integrity-check', 1)`); err != nil {
		t.Errorf("full-text index: %v", err)
	}
	if err := db.Close(); err != nil { // as after the end of another process: nobody else holds the file
		t.Fatal(err)
	}
	return b.String()
}

// lines are the rows of a query of one text.
func lines(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var b strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		b.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func openRaw(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func remove(t *testing.T, file string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + end); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// many writes n facts with all kinds among them.
func (s *station) many(n int) {
	s.t.Helper()
	var facts []any
	next := s.log.End() + 1
	for len(facts) < n {
		id := ticket.TicketID(next) + ticket.TicketID(len(facts))
		s.sell(id, fmt.Sprintf("%d层 12排 %02d座", id%3, id), "*𠮷")
		of := next + uint64(len(facts))
		facts = append(facts, granted(id, fmt.Sprint("L", id%4), true), ended(ticket.FactEntryPassed, id, of),
			refused(id, "L1", ticket.MaxEntries),
			note{ticket.FactDeviceStatus, ticket.Note{Subject: "gate", State: "lost", Text: "port closed"}})
	}
	s.write(facts[:n]...)
}

func TestRebuild_equalsIncremental(t *testing.T) {
	s := newStation(t)
	r := s.run()
	for range 5 { // each a batch or two of its own
		s.many(7)
		r.caughtUp()
	}
	s.many(1100) // more than a batch
	r.caughtUp()
	r.stop()
	incremental := dump(t, s.file())
	for name, spoil := range map[string]func(){
		desk.RebuildNew: func() { remove(t, s.file()) },
		desk.RebuildVersion: func() {
			db := openRaw(t, s.file())
			if _, err := db.Exec(`UPDATE meta SET value = 99 WHERE name = 'version'`); err != nil {
				t.Fatal(err)
			}
			_ = db.Close()
		},
		"no database": func() {
			remove(t, s.file())
			if err := os.WriteFile(s.file(), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"empty":             func() { _ = os.Truncate(s.file(), 0) },
		desk.RebuildDamaged: func() { damage(t, s.file(), 8192, []byte(strings.Repeat("\xa5", 64<<10))) },
	} {
		t.Run(name, func(t *testing.T) {
			spoil()
			r := s.run()
			r.caughtUp()
			r.stop()
			if got := dump(t, s.file()); got != incremental {
				t.Errorf("%d bytes after the rebuild, %d before", len(got), len(incremental))
			}
		})
	}
}

func TestRebuild_anotherJournal(t *testing.T) {
	s := newStation(t)
	s.many(40)
	r := s.run()
	r.caughtUp()
	r.stop()
	s.openJournal(2) // the machine was enrolled anew
	s.many(3)
	r = s.run()
	st := r.caughtUp()
	if st.Cursor != 3 || st.FirstSeq != 1 || len(r.all(desk.Filter{}, 100)) != 2 {
		t.Errorf("status %+v", st)
	}
}

func TestReopen_continues(t *testing.T) {
	s := newStation(t)
	s.many(30)
	for range 3 {
		r := s.run()
		st := r.await("at work", func(st desk.Status) bool { return st.Ready })
		if st.Rebuild != "" && st.Cursor > 0 && s.log.End() > 30 {
			t.Errorf("built again: %+v", st)
		}
		s.many(5)
		r.caughtUp()
		r.stop()
	}
	if n := strings.Count(dump(t, s.file()), "max_entries"); n < 10 {
		t.Errorf("%d refusals", n)
	}
}

// killAt is the environment variable that makes TestKilled a child: the directory of the journal.
const killAt = "YIPIAO_DESK_KILLED"

// assassin kills the process in the middle of the second batch's transaction.
type assassin struct{ *station }

func (a assassin) Ticket(id ticket.TicketID) (ticket.Ticket, ticket.Held, bool) {
	if id == 1501 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return a.station.Ticket(id)
}

// TestKilled kills a desk in the middle of a transaction; the next one continues exactly once.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killAt); dir != "" {
		s := &station{t: t, dir: dir}
		s.openJournal(1)
		s.run(func(c *desk.Config) { c.Source = assassin{s} }).caughtUp()
		return
	}
	s := newStation(t)
	s.many(1700)
	if err := s.log.Close(); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$", "-test.timeout=60s")
	child.Env = append(os.Environ(), killAt+"="+s.dir)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("child ended with %v:\n%s", err, out)
	}
	s.openJournal(1)
	s.tickets, s.sessions = nil, nil // as in the child
	r := s.run()
	st := r.await("at work", func(st desk.Status) bool { return st.Ready })
	if st.Cursor < 1000 || st.Rebuild != "" {
		t.Errorf("after the kill: %+v", st)
	}
	r.caughtUp()
	r.stop()
	got := dump(t, s.file())
	remove(t, s.file())
	r = s.run()
	r.caughtUp()
	r.stop()
	if want := dump(t, s.file()); got != want {
		t.Error("the file that was continued differs from one built at once")
	}
}

// A shortened journal no longer keeps what lies before first.
type shortened struct {
	*station
	first uint64
}

func (s *shortened) FirstFact() uint64 { return s.first }

func (s *shortened) Journal(from uint64, n, maxBytes int) ([]journal.Entry, error) {
	if from < s.first {
		return nil, journal.ErrTrimmed
	}
	return s.station.Journal(from, n, maxBytes)
}

func TestTrimmed_historyBeginsLater(t *testing.T) {
	s := newStation(t)
	s.many(40)
	of := s.write(granted(9, "L1", true))
	s.write(ended(ticket.FactEntryPassed, 9, of))
	r := s.run(func(c *desk.Config) { c.Source = &shortened{s, of + 1} })
	st := r.caughtUp()
	if st.FirstSeq != of+1 || st.FirstMs != s.at {
		t.Errorf("status %+v", st)
	}
	got := r.all(desk.Filter{}, 100)
	if len(got) != 1 || got[0].Kind != ticket.FactEntryPassed || got[0].Passage != desk.PassagePassed {
		t.Errorf("the end of a passage that is no longer kept: %+v", got)
	}
	rep, err := r.Report(t.Context(), desk.Scope{FromMs: noon.UnixMilli(), ToMs: s.at + 1})
	if err != nil || rep.KeptMs != s.at {
		t.Errorf("report %+v, %v", rep, err)
	}
}

// TestDamageWhileRunning: a question that meets a damaged page has the file built again.
func TestDamageWhileRunning(t *testing.T) {
	s := newStation(t)
	s.many(300)
	r := s.run()
	r.caughtUp()
	want := len(r.all(desk.Filter{}, desk.MaxRows))
	r.await("with an empty log", func(desk.Status) bool { // it is moved into the file in idle time
		info, err := os.Stat(s.file() + "-wal")
		return err == nil && info.Size() == 0
	})
	info, err := os.Stat(s.file())
	if err != nil {
		t.Fatal(err)
	}
	damage(t, s.file(), 0, []byte(strings.Repeat("\xa5", int(info.Size()))))
	s.write(refused(1, "L1", ticket.MaxEntries)) // readers forget what they had read
	r.await("mended", func(st desk.Status) bool {
		l, err := r.Checks(t.Context(), desk.Filter{}, desk.Cursor{}, desk.MaxRows)
		return err == nil && st.Lag() == 0 && st.Rebuild == "" && len(l.Checks) == min(want+1, desk.MaxRows)
	})
	if got := len(r.all(desk.Filter{}, desk.MaxRows)); got != want+1 {
		t.Errorf("%d rows, want %d", got, want+1)
	}
}

// TestTrim: rows whose facts the journal no longer keeps go as well, so the file is what a rebuild makes.
func TestTrim(t *testing.T) {
	s := newStation(t)
	s.many(2600)
	settle := func(first uint64) string {
		t.Helper()
		d, err := desk.New(desk.Config{Dir: s.dir, Source: &shortened{s, first}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err == nil {
			err = d.Settle(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return dump(t, s.file())
	}
	whole, trimmed := settle(1), settle(2401)
	remove(t, s.file())
	if rebuilt := settle(2401); trimmed != rebuilt || len(whole) < 10*len(trimmed) {
		t.Errorf("%d bytes, after the trim %d, built again %d", len(whole), len(trimmed), len(rebuilt))
	}
}
