package cloud

import (
	"context"
	"fmt"
	"time"

	"filippo.io/age"

	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/sync/ticket"
)

func backupKeyPlace(tenant ticket.TenantID) string { return fmt.Sprintf("backup_key.priv/%d", tenant) }

// ensureBackupKey returns the tenant's recipient for backups of its stations. A cloud from before there
// was one gets it here.
func ensureBackupKey(ctx context.Context, db *store.DB, tenant ticket.TenantID, fieldKey *seal.Key, nowMs int64) (string, error) {
	var k store.BackupKey
	var found bool
	read := func(ctx context.Context, tx *store.Tx) (err error) {
		k, found, err = tx.BackupKey(ctx, tenant)
		return err
	}
	if err := db.Read(ctx, read); err != nil || found {
		return k.Recipient, err
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make backup key: %w", err)
	}
	sealed, err := fieldKey.Seal([]byte(id.String()), backupKeyPlace(tenant))
	if err != nil {
		return "", err
	}
	fresh := store.BackupKey{Recipient: id.Recipient().String(), Private: sealed}
	err = db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddBackupKey(ctx, tenant, &fresh, nowMs); err != nil {
			return err
		}
		return read(ctx, tx) // another process may have been faster
	})
	return k.Recipient, err
}

// BackupKey returns the private key (AGE-SECRET-KEY-1…) that opens the backups of every station of the
// tenant, for a restore of the one that is named. Asking for it is an incident that stays.
func (c *Cloud) BackupKey(ctx context.Context, station ticket.StationID) (string, error) {
	var k store.BackupKey
	err := c.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		s, found, err := tx.Station(ctx, c.tenant.ID, station)
		if err == nil && !found {
			err = fmt.Errorf("%w: %s", ErrUnknownStation, station)
		}
		if err != nil {
			return err
		}
		if k, found, err = tx.BackupKey(ctx, c.tenant.ID); err == nil && !found {
			err = fmt.Errorf("%w: no backup key", ErrNoData)
		}
		if err != nil {
			return err
		}
		at := c.now()
		detail := "the tenant's key for backups was shown, for a restore of this station at " + at.UTC().Format(time.RFC3339)
		return tx.AddIncident(ctx, c.tenant.ID, station, "backup_key_shown", s.Epoch, uint64(at.UnixMilli()), detail, at.UnixMilli())
	})
	if err != nil {
		return "", err
	}
	private, err := c.fieldKey.Open(k.Private, backupKeyPlace(c.tenant.ID))
	return string(private), err
}
