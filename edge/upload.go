package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"filippo.io/age"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/clock"
	"yipiao/edge/internal/enrol"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/wire"
)

// cloudOf connects to the cloud as the station with this identity.
func cloudOf(id *enrol.Identity) (*httplink.Client, error) {
	return httplink.NewClient(httplink.ClientConfig{
		Address: id.Cloud, Root: id.Root, Own: identity.Keypair(id.Key, id.Chain...), Tenant: id.Tenant,
	})
}

// uploadPending hands the cloud the facts in a backup that it was not known to hold, and returns how
// many it did not have. The cloud checks their chain with the old epoch's key; what it has already is
// only compared.
func uploadPending(ctx context.Context, id *enrol.Identity, archive string, ids []age.Identity) (fresh int, err error) {
	cloud, err := cloudOf(id)
	if err != nil {
		return 0, err
	}
	defer cloud.Close()
	var held *wire.Ack
	err = backup.Pending(archive, ids, func(b *wire.Batch) error {
		if held == nil {
			ack, err := cloud.Upload(ctx, &wire.Batch{Epoch: b.Epoch})
			if err != nil {
				return err
			}
			held = &ack
		}
		ack, err := cloud.Upload(ctx, b)
		if err != nil {
			return err
		}
		fresh += int(ack.Durable - held.Durable)
		held = &ack
		return nil
	})
	if err != nil {
		return fresh, fmt.Errorf("旧机器的记录没有交完 (facts of the old machine were not handed over): %w", err)
	}
	return fresh, nil
}

// UploadBackup hands the cloud the facts in a backup that it does not hold yet, as the station with the
// data directory dir, and returns how many these were.
func UploadBackup(ctx context.Context, dir, archive string, key io.Reader) (int, error) {
	ids, err := backup.ParseKey(key)
	if err != nil {
		return 0, err
	}
	m, _, err := backup.Verify(archive, ids...)
	if err != nil {
		return 0, err
	}
	id, err := enrol.Load(dir)
	if err != nil {
		return 0, err
	}
	if id.Tenant != m.Tenant || id.Station != m.Station {
		return 0, &backup.Error{Code: backup.CodeOtherOne, Err: fmt.Errorf("backup of %s, this is %s", m.Station, id.Station)}
	}
	return uploadPending(ctx, id, archive, ids)
}

// UploadJournal hands the cloud the rest of the journal in the data directory of a machine that was
// replaced (its old disk, or a copy), with that machine's own certificate, which is good for nothing
// else any more. It returns how many facts the cloud did not have. No station may run there.
func UploadJournal(ctx context.Context, dir string) (fresh int, err error) {
	id, err := enrol.Load(dir)
	if err != nil {
		return 0, err
	}
	l, err := openLedger(Config{Data: dir}, id, clock.New(id.Enrolled, nil), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	cloud, err := cloudOf(id)
	if err != nil {
		return 0, err
	}
	defer cloud.Close()
	ack, err := cloud.Upload(ctx, &wire.Batch{Epoch: id.Epoch})
	if err != nil {
		return 0, err
	}
	began := ack.Durable
	for ack.Durable < l.Durable().Seq {
		entries, err := l.Journal(ack.Durable+1, wire.MaxBatchEntries, wire.MaxBatchBytes)
		if err != nil {
			return int(ack.Durable - began), err
		}
		if ack, err = cloud.Upload(ctx, &wire.Batch{Epoch: id.Epoch, Entries: entries}); err != nil {
			return int(ack.Durable - began), err
		}
	}
	return int(ack.Durable - began), nil
}
