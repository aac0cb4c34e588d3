package edge

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"yipiao/sync/ticket"
)

// Places in a segment, docs/formats/journal.md.
const (
	segStart   = 512  // start block, zeros in a blank segment
	segRecords = 1024 // first record
	recHead    = 48
)

// crashSegments are the begun segments of a data directory, oldest first.
func crashSegments(dir string) (out []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, "journal", "epoch-1", "*.seg"))
	slices.Sort(all)
	for _, name := range all {
		f, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if len(f) > segRecords && f[segStart] != 0 {
			out = append(out, name)
		}
	}
	return out, err
}

// A segRecord is a record as its frame tells it; nothing is checked.
type segRecord struct {
	seq  uint64
	kind ticket.FactKind
	body []byte
	end  int
}

func readSegment(b []byte) (out []segRecord) {
	for off := segRecords; off+recHead <= len(b); {
		n := int(binary.LittleEndian.Uint32(b[off:]))
		if n < recHead || off+n > len(b) {
			return out
		}
		r := segRecord{seq: binary.LittleEndian.Uint64(b[off+8:]), kind: ticket.FactKind(b[off+28]), body: b[off+recHead : off+n]}
		off += (n + 7) &^ 7
		r.end = off
		out = append(out, r)
	}
	return out
}

// cutTail truncates the last segment at a random place behind everything that anybody was told or that
// is not an answer to a handheld: the station starts and nothing is lost. The checkpoint may have
// covered a fact that was cut off all the same; that is said, and the segment is put back.
func (v *crashVenue) cutTail(rnd *rand.Rand) {
	segs, err := crashSegments(v.cfg.Data)
	v.cloud.must(err)
	name := segs[len(segs)-1]
	whole, err := os.ReadFile(name)
	v.cloud.must(err)
	safe := segRecords
	for _, r := range readSegment(whole) {
		var f ticket.Fact
		asked := r.kind.OfTicket() && f.Decode(r.body) == nil && f.Nonce != nil
		if !asked || v.record.byNonce[*f.Nonce].told || r.seq <= v.cloud.store.Journal(self).Durable {
			safe = r.end
		}
	}
	v.tally.cuts++
	cut := safe + rnd.IntN(len(whole)-safe)
	if rnd.IntN(2) == 0 { // near
		cut = safe + rnd.IntN(min(300, len(whole)-safe))
	}
	v.cloud.must(os.Truncate(name, int64(cut)))
	if v.start(crashLife{}) {
		return
	}
	if !strings.Contains(v.child.said, "lost its end") {
		v.find("%s is cut at byte %d, behind byte %d, and the station does not start: %s", filepath.Base(name), cut, safe, v.child.said)
		return
	}
	v.cloud.must(os.WriteFile(name, whole, 0o600))
}

// damageCopies copies the data directory, damages each copy in one place and looks at what a station
// makes of it. The copies never reach the cloud.
func (v *crashVenue) damageCopies(rnd *rand.Rand) {
	what := v.usedUp(rnd)
	own := func() *rand.Rand { return rand.New(rand.NewPCG(rnd.Uint64(), 0)) } // they are done at the same time
	damages := []crashDamage{{what: "copied", do: func(string) (string, error) { return "", nil }}, flipFile(own()), flipFile(own())}
	v.tally.flips++
	if rnd.IntN(2) == 0 {
		damages[2] = crashDamage{"truncated", true, cutEarly(own())}
		v.tally.cuts++
	} else {
		v.tally.flips++
	}
	sights := make([]copySight, len(damages))
	var all sync.WaitGroup
	for i, d := range damages {
		all.Go(func() { sights[i] = v.lookAt(what, d) })
	}
	all.Wait()
	whole := sights[0]
	if !whole.opened {
		v.find("a copy of the data does not open: %s", whole.said)
		return
	}
	for i := range what.Passes {
		if whole.Reasons[i].Outcome() == ticket.OutcomeAdmit {
			v.find("ticket %d, used up, is answered %s by a copy of the data", what.Passes[i], whole.Reasons[i])
		}
	}
	for i, d := range damages[1:] {
		v.judgeCopy(what, &whole, &sights[i+1], d)
	}
}

// usedUp are tickets whose holders were told that they are admitted, for the last time.
func (v *crashVenue) usedUp(rnd *rand.Rand) *crashLook {
	what := &crashLook{}
	all := append(slices.Clone(v.record.open), v.record.closed...)
	gone := make(map[ticket.TicketID]bool)
	for _, a := range all {
		if a.entry != nil { // annulled, or perhaps
			gone[a.pass.ID] = true
		}
	}
	for range 200 {
		if len(all) == 0 {
			break
		}
		if a := all[rnd.IntN(len(all))]; a.admitted() && a.pass.Entry.Max == 1 && !gone[a.pass.ID] {
			gone[a.pass.ID] = true
			what.Passes, what.Codes = append(what.Passes, a.pass.ID), append(what.Codes, a.pass.code)
		}
	}
	return what
}

// A copySight is what a station that opened a copy has seen and said.
type copySight struct {
	crashSight
	opened bool   // it did not refuse to start
	where  string // it is damaged
	said   string // what it has said about damage; why it refused
	died   string // its log, if it neither started nor refused to
}

// A crashDamage is done to a copy.
type crashDamage struct {
	what    string
	journal bool // otherwise the journal is whole, and everything can be rebuilt from it
	do      func(dir string) (where string, err error)
}

// lookAt copies the data, damages the copy and opens it in another process.
func (v *crashVenue) lookAt(what *crashLook, d crashDamage) (seen copySight) {
	dir := v.t.TempDir()
	defer func() { _ = os.RemoveAll(dir) }()
	err := os.CopyFS(dir, os.DirFS(v.cfg.Data))
	if err == nil {
		seen.where, err = d.do(dir)
	}
	life := crashLife{Config: v.cfg, Look: what, Lossy: true} // nobody waits for a disk that is thrown away
	life.Config.Data = dir
	var p *crashProcess
	if err == nil {
		p, err = startCrashChild(&life)
	}
	if err != nil {
		seen.died = err.Error()
		return seen
	}
	select {
	case <-p.ended:
	case <-time.After(crashPatience):
	}
	p.kill()
	seen.said = p.log.lines("damage found", "dropped", "damage:")
	if p.err != nil {
		seen.said += p.said
		if p.said == "" {
			seen.died = p.err.Error() + p.log.String()
		}
		return seen
	}
	if err := json.Unmarshal([]byte(p.said), &seen.crashSight); err != nil {
		seen.died = err.Error()
	}
	seen.opened = true
	return seen
}

// judgeCopy: what is damaged is refused or said, or it makes no difference. As long as the journal is
// whole nobody is admitted again in any case.
func (v *crashVenue) judgeCopy(what *crashLook, whole, seen *copySight, d crashDamage) {
	where := seen.where
	switch {
	case seen.died != "":
		v.find("%s %s: the station dies: %s", d.what, where, seen.died)
		return
	case !seen.opened && !d.journal:
		v.find("%s %s: the journal is whole and the station refuses to start: %s", d.what, where, seen.said)
		return
	case !seen.opened:
		return
	}
	same := seen.Digests.End == whole.Digests.End && slices.Equal(seen.Digests.Sessions, whole.Digests.Sessions)
	if !same && seen.said == "" {
		v.find("%s %s: the station starts as if nothing were wrong, with fact %d of %d", d.what, where, seen.Digests.End, whole.Digests.End)
	}
	for i, id := range what.Passes {
		again := seen.Reasons[i].Outcome() == ticket.OutcomeAdmit || seen.Used[i] < whole.Used[i]
		if again && (seen.said == "" || !d.journal) {
			v.find("%s %s: ticket %d, used up, is used %d times and answered %s; said: %q", d.what, where, id, seen.Used[i], seen.Reasons[i], seen.said)
		}
	}
}

// flipFile flips one byte of the journal, the catalogue or the snapshot, or removes the snapshot: the
// catalogue alone must say the same.
func flipFile(rnd *rand.Rand) crashDamage {
	flip := func(name string, off, size int) (string, error) {
		f, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if size == 0 {
			size = len(f)
		}
		at := off + rnd.IntN(size-off)
		f[at] ^= byte(1 + rnd.IntN(255))
		return fmt.Sprintf("%s at byte %d", filepath.Base(name), at), os.WriteFile(name, f, 0o600)
	}
	switch n := rnd.IntN(5); n {
	case 4:
		return crashDamage{"removed", false, func(dir string) (string, error) { return "index.snap", os.Remove(filepath.Join(dir, "index.snap")) }}
	case 0, 1:
		file := [...]string{"catalogue.db", "index.snap"}[n]
		return crashDamage{"flipped", false, func(dir string) (string, error) { return flip(filepath.Join(dir, file), 0, 0) }}
	case 2: // the last segment where it is written
		return crashDamage{"flipped", true, func(dir string) (string, error) {
			name, end, err := lastRecord(dir)
			if err != nil {
				return "", err
			}
			return flip(name, 0, end)
		}}
	}
	return crashDamage{"flipped", true, func(dir string) (string, error) {
		segs, err := crashSegments(dir)
		if err != nil {
			return "", err
		}
		return flip(segs[rnd.IntN(len(segs))], 0, 0)
	}}
}

// lastRecord is the last begun segment and where its last record ends.
func lastRecord(dir string) (name string, end int, err error) {
	segs, err := crashSegments(dir)
	if err != nil {
		return "", 0, err
	}
	name = segs[len(segs)-1]
	b, err := os.ReadFile(name)
	end = segRecords
	if all := readSegment(b); len(all) > 0 {
		end = all[len(all)-1].end
	}
	return name, end, err
}

// cutEarly truncates the last segment before its last record ends.
func cutEarly(rnd *rand.Rand) func(dir string) (string, error) {
	return func(dir string) (string, error) {
		name, end, err := lastRecord(dir)
		if err != nil {
			return "", err
		}
		at := rnd.IntN(end)
		return fmt.Sprintf("%s at byte %d of %d", filepath.Base(name), at, end), os.Truncate(name, int64(at))
	}
}
