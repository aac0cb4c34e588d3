package edge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/backup"
)

// Size of a soak. A slice is worked, then everything is compared, as after a crash.
const (
	soakDoors = 12
	soakGates = 4
	soakSlice = 10 * time.Second
	soakPause = 60 * time.Millisecond // of a handheld between two people
)

// Bounds of what may grow, stated in docs/TESTING.md. Facts, tickets and answers are kept by design, so
// what they need is allowed; nothing else is.
const (
	soakFactBytes   = 600 // of the journal, and of the projection's rows, for each fact
	soakTicketBytes = 900 // of the catalogue, for each new ticket
	soakMemoryFact  = 160 // of memory, for each fact: its nonce
	soakMemory      = 24 << 20
	soakDisk        = 96 << 20 // a write-ahead log, prepared segments, bbolt's steps of 16 MiB
	soakFiles       = 16       // descriptors besides the journal's segments
)

// soakSample is the station's process and data at one moment.
type soakSample struct {
	memory  int64 // bytes that are its own
	files   int
	disk    int64 // bytes of the data directory without backups
	backups int
	facts   uint64
	tickets int
	parts   string // of disk, for the message
}

// TestSoak has sixteen lanes at work while the feed changes, checkpoints and snapshots are written,
// segments turn over and backups are made, and compares all answers every ten seconds. Neither memory
// nor descriptors nor disk may grow beyond what facts and tickets need. make soak runs it for half an hour
// (FOR=30m); every test run for a few seconds.
func TestSoak(t *testing.T) {
	whole, tickets := 4*time.Second, 2000
	if d, err := time.ParseDuration(os.Getenv("YIPIAO_SOAK")); err == nil {
		whole, tickets = d, 50_000
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	v := newVenue(t, soakDoors, soakGates, tickets, rnd)
	v.cfg.Backup.Folder = t.TempDir()
	key, err := NewRecoveryKey()
	v.cloud.must(err)
	v.cloud.must(SetRecipient(v.cfg.Data, key.Recipient))
	if !v.start(crashLife{Soak: true, Segment: 1 << 20}) {
		t.Fatalf("the station does not start: %s", v.child.said)
	}
	began, told := time.Now(), time.Now()
	var first, last soakSample
	for len(v.tally.findings) == 0 && time.Since(began) < whole {
		v.slice(rnd, min(soakSlice, whole))
		v.judge(rnd, crashPatience)
		last = v.sample()
		if first.facts == 0 && (time.Since(began) > whole/5 || whole < time.Minute) {
			first = last // warm
		}
		if time.Since(told) > time.Minute {
			told = time.Now()
			fmt.Printf("soak: %s, %d facts, %d tickets, memory %d MiB, %d descriptors, disk %d MiB (%s), %d backups\n",
				time.Since(began).Round(time.Second), last.facts, last.tickets, last.memory>>20, last.files, last.disk>>20, last.parts, last.backups)
		}
	}
	v.bounds(&first, &last)
	if err := v.child.stop(); err != nil {
		v.find("%v", err)
	}
	found, err := VerifyData(context.Background(), v.cfg.Data)
	v.cloud.must(err)
	for _, f := range found.Findings {
		v.find("verify: %s: %s", f.Where, f.What)
	}
	for _, f := range v.tally.findings {
		t.Error(f)
	}
	fmt.Printf("soak: %s, %d answers, %d facts, %d tickets; memory %d → %d MiB, descriptors %d → %d, disk %d → %d MiB, %d backups; lost %d, doubled %d, findings %d\n",
		time.Since(began).Round(time.Second), v.tally.acked, last.facts, last.tickets, first.memory>>20, last.memory>>20,
		first.files, last.files, first.disk>>20, last.disk>>20, last.backups, v.tally.lost, v.tally.doubled, len(v.tally.findings))
}

// slice has all lanes work for a while and come to rest.
func (v *crashVenue) slice(rnd *rand.Rand, d time.Duration) {
	ctx, cancel := context.WithTimeout(v.t.Context(), d)
	defer cancel()
	var all sync.WaitGroup
	each := func(run func(rnd *rand.Rand)) {
		own := rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))
		all.Go(func() { run(own) })
	}
	hot := v.newcomer()
	for i := range v.doors {
		each(func(rnd *rand.Rand) { v.queue(ctx, i, rnd, hot) })
	}
	for i := range v.gates {
		each(func(rnd *rand.Rand) { v.gate(ctx, i, rnd) })
	}
	each(func(rnd *rand.Rand) { v.deltas(ctx, rnd) })
	all.Wait()
}

// queue is a handheld with a queue of people before it.
func (v *crashVenue) queue(ctx context.Context, n int, rnd *rand.Rand, hot *crashPass) {
	tick := time.NewTicker(soakPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		a := &crashTry{nonce: crashNonce(rnd), door: n, pass: v.newcomer()}
		switch rnd.IntN(20) {
		case 0:
			a.pass = hot
		case 1, 2, 3:
			a.pass = v.again(rnd)
		}
		v.record.add(a)
		if _, err := v.insist(context.WithoutCancel(ctx), a); err != nil {
			return
		}
	}
}

// sample looks at the station's process and data.
func (v *crashVenue) sample() (s soakSample) {
	proc := fmt.Sprintf("/proc/%d/", v.child.cmd.Process.Pid)
	text, err := os.ReadFile(proc + "status")
	v.cloud.must(err)
	for line := range strings.Lines(string(text)) {
		if kb := int64(0); strings.HasPrefix(line, "RssAnon:") {
			_, err := fmt.Sscanf(line, "RssAnon: %d", &kb)
			v.cloud.must(err)
			s.memory = kb << 10
		}
	}
	fds, err := os.ReadDir(proc + "fd")
	v.cloud.must(err)
	var parts []string
	size := func(path string) (n int64) {
		_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if info, err := d.Info(); err == nil { // else it has just gone
					n += info.Size()
				}
			}
			return nil
		})
		return n
	}
	entries, err := os.ReadDir(v.cfg.Data)
	v.cloud.must(err)
	for _, e := range entries {
		n := size(filepath.Join(v.cfg.Data, e.Name()))
		if s.disk += n; n > 1<<20 {
			parts = append(parts, fmt.Sprintf("%s %d", e.Name(), n>>20))
		}
	}
	made, err := filepath.Glob(filepath.Join(v.cfg.Backup.Folder, "*.age"))
	v.cloud.must(err)
	var st Status
	v.cloud.must(v.get(v.t.Context(), "/api/v1/status", &st))
	segments := int(st.Journal.Size >> 20)
	s.files, s.backups, s.facts, s.tickets = len(fds)-segments, len(made), st.Journal.End, st.Tickets
	s.parts = strings.Join(parts, ", ")
	return s
}

// bounds compares two samples with what facts and tickets between them may need.
func (v *crashVenue) bounds(a, b *soakSample) {
	facts, tickets := int64(b.facts-a.facts), int64(b.tickets-a.tickets)
	if got, most := b.memory-a.memory, soakMemory+soakMemoryFact*facts+200*tickets; got > most {
		v.find("memory has grown by %d MiB for %d facts and %d tickets, at most %d MiB are explained", got>>20, facts, tickets, most>>20)
	}
	if got := b.files - a.files; got > soakFiles {
		v.find("descriptors have grown from %d to %d besides segments", a.files, b.files)
	}
	if got, most := b.disk-a.disk, soakDisk+soakFactBytes*facts+soakTicketBytes*tickets; got > most {
		v.find("the data directory has grown by %d MiB for %d facts and %d tickets, at most %d MiB are explained: %s", got>>20, facts, tickets, most>>20, b.parts)
	}
	if keep := 3; b.backups == 0 || b.backups > keep+1 { // one is being made
		v.find("%d backups are kept, want 1 to %d", b.backups, keep)
	}
}

// soakUpkeep does in seconds what the station does in hours.
func soakUpkeep(ctx context.Context, st *Station) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var errs []error
		if n%5 == 0 {
			errs = append(errs, st.ledger.Snapshot())
		}
		if n%20 == 0 {
			_, err := st.backup.Make(ctx, backup.Manual, "")
			errs = append(errs, err)
		}
		if err := errors.Join(append(errs, st.trim())...); err != nil && ctx.Err() == nil {
			st.log.Error("upkeep failed", "error", err)
		}
	}
}
