package edge

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"yipiao/edge/internal/enrol"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal/seglog"
)

// openLedger opens journal and catalogue of an enrolled station and says what it found.
func openLedger(cfg Config, id *enrol.Identity, clk clockSource, observe func(ledger.Observed), log *slog.Logger) (*ledger.Ledger, error) {
	files := filepath.Join(cfg.Data, "journal", fmt.Sprintf("epoch-%d", id.Epoch))
	if cfg.SyncDelay > 0 {
		cfg.files = slowDisk{cmp.Or(cfg.files, seglog.OS()), cfg.SyncDelay}
	}
	j, found, err := seglog.Open(seglog.Config{
		Dir: files, Epoch: id.Epoch, Key: id.ChainKey, SegmentSize: cfg.segment, FS: cfg.files,
		OnLow: func(low bool) { log.Warn("space for facts", "low", low) },
	})
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if found.Clean() {
		log.Info("journal opened", "report", found.String())
	} else {
		log.Warn("journal opened, its end was not whole", "report", found.String())
	}
	if n := j.End(); n > 0 {
		last, err := j.Read(n, 1, 1)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("journal: read its last fact: %w", err), j.Close())
		}
		clk.Floor(last[0].TimeMs)
	}
	l, rep, err := ledger.Open(ledger.Config{
		Dir: cfg.Data, Self: id.Station, Tenant: id.Tenant, DataKey: id.DataKey, Clock: clk, Log: log, Observe: observe,
	}, j)
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	log.Info("ledger opened", "tickets", rep.Tickets, "sessions", rep.Sessions, "covered", rep.Covered,
		"replayed", rep.Replayed, "end", rep.End, "nonces", rep.Nonces, "open_passages", rep.Open, "aside", rep.Aside)
	return l, nil
}

// slowDisk is a file layer on which making contents durable takes longer.
type slowDisk struct {
	seglog.FS
	delay time.Duration
}

func (d slowDisk) Create(name string) (seglog.File, error) { return d.slow(d.FS.Create(name)) }

func (d slowDisk) Open(name string) (seglog.File, error) { return d.slow(d.FS.Open(name)) }

func (d slowDisk) slow(f seglog.File, err error) (seglog.File, error) {
	if err != nil {
		return nil, err
	}
	return slowFile{f, d.delay}, nil
}

type slowFile struct {
	seglog.File
	delay time.Duration
}

func (f slowFile) Datasync() error {
	time.Sleep(f.delay)
	return f.File.Datasync()
}
