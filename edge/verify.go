package edge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"yipiao/edge/internal/clock"
	"yipiao/edge/internal/enrol"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal/seglog"
)

// A Finding is something that is wrong in a station's data: where (journal, catalogue, snapshot,
// index), and what, in English for technicians. It names tickets by their number only.
type Finding struct {
	Where string `json:"where"`
	What  string `json:"what"`
}

// A Verification is what VerifyData has looked at and found; no findings means that all of it is
// whole and agrees.
type Verification struct {
	Station  string    `json:"station"`
	Venue    string    `json:"venue"`
	Epoch    uint32    `json:"epoch"`
	First    uint64    `json:"first"` // facts that the journal keeps, all with their chain
	Last     uint64    `json:"last"`
	Covered  uint64    `json:"covered"` // by the catalogue's checkpoint
	Tickets  int       `json:"tickets"`
	States   int       `json:"states"`
	Snapshot bool      `json:"snapshot"` // there is one, and it was compared
	Findings []Finding `json:"findings"`
}

// IsStation reports whether dir is a station's data directory.
func IsStation(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "identity.json"))
	return err == nil
}

// VerifyData checks the whole state of a stopped station: the chain of its journal, every page and
// value of its catalogue, and that index, catalogue and journal agree about every ticket. It mends
// nothing. The error says that it could not look, for example because the station runs.
func VerifyData(ctx context.Context, dir string) (out Verification, err error) {
	id, err := enrol.Load(dir)
	if err != nil {
		return out, err
	}
	out = Verification{Station: id.Station.String(), Venue: id.Venue, Epoch: id.Epoch, Findings: []Finding{}}
	files := filepath.Join(dir, "journal", fmt.Sprintf("epoch-%d", id.Epoch))
	if _, err := os.Stat(files); errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("驿站还没有运行过，没有可核对的数据 (the station has never run): %s", dir)
	}
	j, report, err := seglog.Open(seglog.Config{Dir: files, Epoch: id.Epoch, Key: id.ChainKey, VerifyAll: true})
	if errors.Is(err, seglog.ErrLocked) {
		return out, fmt.Errorf("驿站正在运行，请先停止 (stop the station first): %w", err)
	}
	if err != nil && !errors.Is(err, seglog.ErrDamaged) {
		return out, fmt.Errorf("journal: %w", err)
	}
	if err != nil {
		for _, d := range report.Damage {
			out.Findings = append(out.Findings, Finding{"journal", d.String()})
		}
		return out, nil // without its facts there is nothing to compare
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	v, err := ledger.Verify(ctx, ledger.Config{
		Dir: dir, Self: id.Station, Tenant: id.Tenant, DataKey: id.DataKey, Clock: clock.New(id.Enrolled, nil),
		Log: slog.New(slog.DiscardHandler),
	}, j)
	out.First, out.Last, out.Covered, out.Tickets, out.States, out.Snapshot = v.First, v.Last, v.Covered, v.Tickets, v.States, v.Snapshot
	for _, f := range v.Findings {
		out.Findings = append(out.Findings, Finding(f))
	}
	return out, err
}
