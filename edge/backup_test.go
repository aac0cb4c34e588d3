package edge

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/enrol"
	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A venue is a cloud with sold tickets, and the machine that is its station.
type venueRig struct {
	t     *testing.T
	cloud *testCloud
	key   RecoveryKey
	codes map[ticket.TicketID]string
	dir   string
	nonce byte
}

const rigTickets = 12

func newVenueRig(t *testing.T) *venueRig {
	t.Helper()
	v := &venueRig{t: t, cloud: newTestCloud(t), codes: make(map[ticket.TicketID]string)}
	v.sell()
	v.dir = v.cloud.enrol()
	v.key = v.newKey()
	return v
}

func (v *venueRig) newKey() RecoveryKey {
	v.t.Helper()
	k, err := NewRecoveryKey()
	v.must(err)
	v.must(SetRecipient(v.dir, k.Recipient))
	return k
}

func (v *venueRig) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// sell puts a session that admits now and its tickets into the feed.
func (v *venueRig) sell() {
	v.t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	v.must(err)
	now := time.Now()
	s := ticket.Session{
		ID: 1, Type: "1001", Name: "样例话剧", Hall: 1, HallName: "一厅", StartMs: now.Add(time.Hour).UnixMilli(),
		EndMs: now.Add(5 * time.Hour).UnixMilli(), AdmitFromMs: now.Add(-time.Hour).UnixMilli(), AdmitToMs: now.Add(4 * time.Hour).UnixMilli(),
		Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryNone,
	}
	s.Code, err = ticket.NewSessionCode("11010100101", time.UnixMilli(s.StartMs), 1)
	v.must(err)
	store := v.cloud.store
	store.PutSession(self, s)
	store.PutGateGroup(self, ticket.GateGroup{ID: 1, Hall: 1, HallName: "一厅", Name: "1号门", Home: self.Station})
	store.PutSignKey(self, ticket.SignKey{ID: 1, Alg: "Ed25519", Public: pub})
	for id := ticket.TicketID(1); id <= rigTickets; id++ {
		cred := ticket.Credential{Key: 1, Tenant: self.Tenant, Session: 1, Group: 1, Ticket: id, Number: 1}
		_, err := rand.Read(cred.Random[:])
		v.must(err)
		cred.Sign(priv)
		v.codes[id] = cred.Text()
		v.must(store.PutTicket(self, ticket.Ticket{
			ID: id, Session: 1, Group: 1, Code: ticket.TicketCode(fmt.Sprintf("%s%09d", s.Code, id)), Type: ticket.TypeNormal,
			Seat: fmt.Sprintf("1排%d座", id), Holder: "*三", Order: "O1", Status: ticket.StatusValid, Cred: 1,
			CredHash: ticket.PayloadHash(v.codes[id]), Entry: ticket.Right{Max: 1},
		}))
	}
}

// A rigStation is a station at work in the rig's directory.
type rigStation struct {
	*Station
	v    *venueRig
	url  string
	stop func()
}

func (v *venueRig) start() *rigStation {
	v.t.Helper()
	cfg := Config{Data: v.dir, Listen: Listen{LAN: "127.0.0.1:0"}, segment: 64 << 10, probe: 50 * time.Millisecond}
	cfg.Lanes = []LaneConfig{{Name: "door", Groups: []ticket.GateGroupID{1}, Entry: true}}
	st, err := New(cfg, slog.New(slog.DiscardHandler))
	v.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	s := &rigStation{Station: st, v: v}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			v.t.Errorf("station ended: %v", err)
		}
	}
	v.t.Cleanup(s.stop)
	select {
	case addr := <-st.web.bound:
		s.url = "https://" + addr.String()
	case err := <-done:
		done <- err
		v.t.Fatal("station did not start")
	}
	return s
}

func (v *venueRig) until(what string, ok func() bool) {
	v.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			v.t.Fatalf("waited too long until %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// synced waits until the feed is read.
func (s *rigStation) synced() {
	s.v.t.Helper()
	s.v.until("the feed is read", func() bool {
		head, err := s.v.cloud.store.Stamp(context.Background(), self)
		epoch, cursor := s.ledger.Cursor()
		return err == nil && cursor == head.Pos && epoch == head.Epoch
	})
}

// reported waits until the cloud holds every fact.
func (s *rigStation) reported() {
	s.v.t.Helper()
	s.v.until("the journal is uploaded", func() bool { return s.ledger.Acked() >= s.ledger.Durable().Seq })
}

func (s *rigStation) check(id ticket.TicketID) ticket.Reason {
	s.v.t.Helper()
	s.v.nonce++
	v, err := s.Check(context.Background(), CheckRequest{
		Device: "d1", Nonce: ticket.Nonce{s.v.nonce, 7}, Kind: ticket.RequestEntry, Lane: "door", Code: s.v.codes[id],
	})
	s.v.must(err)
	return v.Reason
}

func (s *rigStation) admit(ids ...ticket.TicketID) {
	s.v.t.Helper()
	for _, id := range ids {
		if got := s.check(id); got != ticket.Admitted {
			s.v.t.Fatalf("ticket %d: %s", id, got)
		}
	}
}

func (s *rigStation) cut(cut bool) {
	s.v.t.Helper()
	s.v.cloud.wire.set(cut)
	want := map[bool]string{true: "extreme", false: "online"}[cut]
	s.v.until("the uplink is "+want, func() bool { return s.Status().Uplink.State == want })
}

// kept copies the newest backup of a kind away.
func (v *venueRig) kept(kind backup.Kind) string {
	v.t.Helper()
	all, err := backup.Folder{Path: filepath.Join(v.dir, "backup")}.List(self.Station)
	v.must(err)
	i := slices.IndexFunc(all, func(b backup.Info) bool { return b.Kind == kind })
	if i < 0 {
		v.t.Fatalf("no %s backup among %d", kind, len(all))
	}
	raw, err := os.ReadFile(all[i].Path)
	v.must(err)
	to := filepath.Join(v.t.TempDir(), "copy.age")
	v.must(os.WriteFile(to, raw, 0o600))
	return to
}

// request restores an archive into a new directory.
func (v *venueRig) request(archive string) RestoreRequest {
	v.cloud.mu.Lock()
	v.cloud.replacing = true
	v.cloud.mu.Unlock()
	return RestoreRequest{Archive: archive, Key: strings.NewReader(v.key.Lines()), Code: v.cloud.code(), Dir: filepath.Join(v.t.TempDir(), "new")}
}

func (v *venueRig) decide(lost bool, from int64) hub.Regranted {
	v.t.Helper()
	did, err := v.cloud.store.Regrant(context.Background(), self, hub.Decision{Lost: lost, FromMs: from, ToMs: time.Now().UnixMilli()}, 0, 100)
	v.must(err)
	return did
}

// TestRestore_NoAdmissionIsLostOrDoubled: admissions before the backup, in it and after it; the machine
// is lost; what was reported is never admitted again, and nothing that was reported is lost
// (SHOW-E.3.2, I1, I3).
func TestRestore_NoAdmissionIsLostOrDoubled(t *testing.T) {
	v := newVenueRig(t)
	st := v.start()
	st.synced()
	st.admit(1, 2)
	st.reported()
	st.cut(true)
	st.admit(3, 4)
	if _, err := st.backup.Make(t.Context(), backup.Manual, "技术员"); err != nil {
		t.Fatal(err)
	}
	archive := v.kept(backup.Manual)
	st.cut(false)
	st.admit(5)
	st.reported()
	st.cut(true)
	st.admit(6) // nobody but this machine knows
	old := st.ledger.Durable().Seq
	st.stop()
	v.cloud.wire.set(false)
	// The backup was made before 3 and 4 were reported; the cloud has forgotten nothing since.
	oldDir := v.dir
	r := v.request(archive)
	done, err := Restore(t.Context(), r)
	v.must(err)
	if done.Station != self.Station || done.Epoch != 2 || done.Uploaded != 0 || done.Config == "" || done.CloudKey {
		t.Fatalf("%+v", done)
	}
	v.dir = r.Dir
	st = v.start()
	st.synced()
	// Everything is shown, nobody is admitted: the cloud has granted nothing.
	if got := st.Status(); got.Tickets != rigTickets || len(got.Sessions) != 1 || got.Journal.Epoch != 2 {
		t.Fatalf("%+v", got)
	}
	for id := ticket.TicketID(1); id <= rigTickets; id++ {
		if got := st.check(id); got.Outcome() == ticket.OutcomeAdmit {
			t.Errorf("ticket %d before the cloud's grant: %s", id, got)
		}
	}
	did := v.decide(true, 0)
	if did.Rights != rigTickets || did.Uncertain != rigTickets-5 {
		t.Fatalf("%+v", did)
	}
	st.synced()
	for id := ticket.TicketID(1); id <= 5; id++ {
		if got := st.check(id); got != ticket.MaxEntries {
			t.Errorf("ticket %d was admitted and reported; now %s", id, got)
		}
	}
	// 6 was admitted by the lost machine and never reported: recorded as uncertain.
	if v.cloud.store.Uncertain(self)[6] != 2 {
		t.Errorf("uncertain: %v", v.cloud.store.Uncertain(self))
	}
	st.admit(6, 7)
	st.reported()
	// The disk turns up after all: its facts arrive, change nothing, and the double entry is a conflict.
	n, err := UploadJournal(t.Context(), oldDir)
	v.must(err)
	if n < 1 {
		t.Fatalf("%d facts of the old disk", n)
	}
	row, err := v.cloud.store.Row(t.Context(), self.Tenant, 6)
	if err != nil || row.Right.Used != 1 || row.Right.Gen != 2 {
		t.Fatalf("%+v, %v", row.Right, err)
	}
	conflicts := v.cloud.store.Conflicts(self)
	if !slices.ContainsFunc(conflictsOf(conflicts), func(id ticket.TicketID) bool { return id == 6 }) || len(conflicts) != 1 {
		t.Errorf("conflicts %+v", conflicts)
	}
	var seqs [3]uint64
	for _, e := range v.cloud.store.Facts(self) {
		if e.Seq > seqs[e.Epoch] {
			seqs[e.Epoch] = e.Seq
		}
	}
	if seqs[1] < old || seqs[2] != st.ledger.Durable().Seq {
		t.Errorf("the cloud holds %v, the old journal ended at %d", seqs, old)
	}
}

func conflictsOf(all map[uint64]hubmem.Conflict) (ids []ticket.TicketID) {
	for _, c := range all {
		ids = append(ids, c.Ticket)
	}
	return ids
}

// TestRestore_HandsOverWhatIsInTheBackup: what the cloud did not have comes out of the backup, and the
// whole old journal before the decision leaves nothing uncertain.
func TestRestore_HandsOverWhatIsInTheBackup(t *testing.T) {
	v := newVenueRig(t)
	st := v.start()
	st.synced()
	st.admit(1)
	st.reported()
	st.cut(true)
	st.admit(2, 3)
	if _, err := st.backup.Make(t.Context(), backup.Manual, "技术员"); err != nil {
		t.Fatal(err)
	}
	archive := v.kept(backup.Manual)
	st.admit(4)
	st.stop()
	v.cloud.wire.set(false)
	oldDir := v.dir
	// The first attempt fails when the cloud is gone again after the enrolment; the second one goes on.
	v.cloud.mu.Lock()
	v.cloud.uploads = func(*wire.Batch) error { return errors.New("line cut") }
	v.cloud.mu.Unlock()
	r := v.request(archive)
	if _, err := Restore(t.Context(), r); err == nil {
		t.Fatal("restored without handing over")
	}
	if _, err := New(Config{Data: r.Dir}, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrRestoring) {
		t.Fatalf("a station out of half a restore: %v", err)
	}
	v.cloud.mu.Lock()
	v.cloud.uploads = nil
	v.cloud.mu.Unlock()
	r.Key = strings.NewReader(v.key.Private)
	done, err := Restore(t.Context(), r)
	v.must(err)
	if done.Uploaded < 2 {
		t.Fatalf("%+v", done)
	}
	if n, err := UploadBackup(t.Context(), r.Dir, archive, strings.NewReader(v.key.Private)); err != nil || n != 0 {
		t.Fatalf("once more: %d, %v", n, err)
	}
	if _, err := UploadJournal(t.Context(), oldDir); err != nil {
		t.Fatal(err)
	}
	if did := v.decide(false, 0); did.Rights != rigTickets || did.Uncertain != 0 {
		t.Fatalf("%+v", did)
	}
	v.dir = r.Dir
	st = v.start()
	st.synced()
	for id := ticket.TicketID(1); id <= 4; id++ {
		if got := st.check(id); got != ticket.MaxEntries {
			t.Errorf("ticket %d: %s", id, got)
		}
	}
	st.admit(5)
	st.reported()
	if c := v.cloud.store.Conflicts(self); len(c) != 0 {
		t.Errorf("conflicts %+v", c)
	}
	if a, b := v.cloud.store.Digest(self, 1), st.ledger.Digests()[1].Digest; a != b {
		t.Error("station and cloud differ")
	}
	st.stop()
	// The old machine must not go on as if nothing had happened, also not once it is cut off again.
	if err := oldMachine(t, oldDir); err == nil {
		t.Error("the old machine still reads the feed")
	}
	v.dir = oldDir
	st = v.start()
	v.until("the old machine has been told", func() bool { return slices.Contains(st.Status().Attention, "revoked") })
	if got := st.check(9); got != ticket.LaneClosed {
		t.Errorf("the old machine answers %s", got)
	}
	st.stop()
	v.cloud.wire.set(true)
	st = v.start()
	if got := st.check(10); got != ticket.LaneClosed {
		t.Errorf("the old machine answers %s without the cloud", got)
	}
}

func oldMachine(t *testing.T, dir string) error {
	t.Helper()
	id, err := enrol.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cloudOf(id)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Feed(t.Context(), wire.FeedRequest{})
	return err
}

// TestRestore_Refusals: nothing is changed that a person would miss.
func TestRestore_Refusals(t *testing.T) {
	v := newVenueRig(t)
	st := v.start()
	st.synced()
	st.stop()
	archive := v.kept(backup.Shutdown) // SHOW-E.3.1-f
	code := func(r RestoreRequest, want backup.Code) {
		t.Helper()
		if _, err := Restore(t.Context(), r); backup.CodeOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	r := v.request(archive)
	stranger, err := NewRecoveryKey()
	v.must(err)
	r.Key = strings.NewReader(stranger.Private)
	code(r, backup.CodeWrongKey)
	r = v.request(archive)
	r.Dir = v.dir
	code(r, backup.CodeNotEmpty)
	raw, err := os.ReadFile(archive)
	v.must(err)
	raw[len(raw)/2] ^= 1
	bad := filepath.Join(t.TempDir(), "bad.age")
	v.must(os.WriteFile(bad, raw, 0o600))
	code(v.request(bad), backup.CodeDamaged)
	r = v.request(archive)
	no := errors.New("no")
	r.Confirm = func(c BackupContents) error {
		if c.Station != self.Station || c.Counts.Tickets != rigTickets {
			t.Errorf("%+v", c)
		}
		return no
	}
	if _, err := Restore(t.Context(), r); !errors.Is(err, no) {
		t.Error(err)
	}
	if _, err := os.Stat(r.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a restore that was declined has left something")
	}
	r = v.request(archive)
	v.cloud.mu.Lock()
	v.cloud.other = self.Station + 1
	v.cloud.mu.Unlock()
	code(r, backup.CodeOtherOne)
	// The right code goes on from there, and the directory of a station may be given when asked for.
	r.Key, r.Code = strings.NewReader(v.key.Private), v.cloud.code()
	if _, err := Restore(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	again := v.request(archive)
	again.Dir, again.SetAside = v.dir, true
	done, err := Restore(t.Context(), again)
	if err != nil || done.SetAside == "" || done.Epoch != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := os.Stat(filepath.Join(done.SetAside, "identity.json")); err != nil {
		t.Error(err)
	}
	v.start().synced()
}
