package store

import (
	"context"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// An EpochState says what is known of the journal of a machine that was replaced. The numbers are stored.
type EpochState int

// Epoch states.
const (
	EpochUndecided EpochState = 0 // facts may be missing
	EpochComplete  EpochState = 1 // all facts are here, somebody has said
	EpochLost      EpochState = 2 // facts may be missing for good
)

// An EndedEpoch is what is held of the journal of a machine that was replaced.
type EndedEpoch struct {
	Epoch    uint32
	ChainKey []byte // sealed
	Sum      journal.Sum
	Durable  uint64
	Folded   uint64
	EndedMs  int64
	State    EpochState
}

const endedColumns = `epoch, chain_key, chain_sum, durable_seq, folded_seq, ended_ms, state`

func scanEnded(row Scan, e *EndedEpoch) error {
	var sum []byte
	err := row(&e.Epoch, &e.ChainKey, &sum, &e.Durable, &e.Folded, &e.EndedMs, &e.State)
	copy(e.Sum[:], sum)
	return err
}

// EndedEpochs returns the ended epochs of a station, oldest first, locked for the rest of a writing
// transaction.
func (tx *Tx) EndedEpochs(ctx context.Context, tenant ticket.TenantID, station ticket.StationID) ([]EndedEpoch, error) {
	return List(ctx, tx, `
		SELECT `+endedColumns+`
		FROM ended_epoch
		WHERE tenant = $1 AND station = $2
		ORDER BY epoch `+tx.Dialect.Update, []any{tenant, station}, scanEnded)
}

// SetEpochState writes down what became of an ended epoch.
func (tx *Tx) SetEpochState(ctx context.Context, tenant ticket.TenantID, station ticket.StationID, epoch uint32, to EpochState) error {
	return tx.ExecOne(ctx, `
		UPDATE ended_epoch
		SET state = $4
		WHERE tenant = $1 AND station = $2 AND epoch = $3`, tenant, station, epoch, to)
}

// A Replacement is the machine that takes an active station's place.
type Replacement struct {
	Replaces  uint32 // journal epoch of the old machine
	ChainKey  []byte // of epoch Replaces+1, sealed
	Serial    string // of the new machine's certificate
	FeedEpoch string
}

// Replace makes an active station another machine's: the old journal is kept as an ended epoch, the
// next one begins, the feed is to be read from 0, and every grant that has a position is the old
// machine's. ErrConflict when the station is at another epoch.
func (tx *Tx) Replace(ctx context.Context, tenant ticket.TenantID, id ticket.StationID, r *Replacement, nowMs int64) error {
	// Locked before its journal is copied: what an upload adds in between would be lost.
	if _, _, err := tx.Station(ctx, tenant, id); err != nil {
		return err
	}
	err := tx.ExecOne(ctx, `
		UPDATE feed_head
		SET epoch = $3, lost_pos = head
		WHERE tenant = $1 AND feed = $2`, tenant, id, r.FeedEpoch)
	if err != nil {
		return err
	}
	err = tx.ExecOne(ctx, `
		INSERT INTO ended_epoch (tenant, station, epoch, chain_key, chain_sum, durable_seq, folded_seq, ended_ms, state)
		SELECT tenant, id, journal_epoch, chain_key, chain_sum, durable_seq, folded_seq, $5, $6
		FROM station
		WHERE tenant = $1 AND id = $2 AND journal_epoch = $3 AND status = $4`,
		tenant, id, r.Replaces, StationActive, nowMs, EpochUndecided)
	if err != nil {
		return err
	}
	return tx.ExecOne(ctx, `
		UPDATE station
		SET journal_epoch = $3, chain_key = $4, chain_sum = $5, durable_seq = 0, folded_seq = 0, cert_serial = $6
		WHERE tenant = $1 AND id = $2`,
		tenant, id, r.Replaces+1, r.ChainKey, make([]byte, journal.SumSize), r.Serial)
}

// A BackupKey is the tenant's key for backups of its stations.
type BackupKey struct {
	Recipient string // age1…
	Private   []byte // sealed
}

// BackupKey returns the tenant's key and whether there is one.
func (tx *Tx) BackupKey(ctx context.Context, tenant ticket.TenantID) (BackupKey, bool, error) {
	var k BackupKey
	found, err := tx.Row(ctx, `SELECT recipient, priv FROM backup_key WHERE tenant = $1`, []any{tenant}, &k.Recipient, &k.Private)
	return k, found, err
}

// AddBackupKey inserts the tenant's key, unless there is one.
func (tx *Tx) AddBackupKey(ctx context.Context, tenant ticket.TenantID, k *BackupKey, nowMs int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO backup_key (tenant, recipient, priv, made_ms)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, tenant, k.Recipient, k.Private, nowMs)
	return err
}

// AddIncident records something about a station that a person must be able to find, once per kind,
// epoch and seq.
func (tx *Tx) AddIncident(ctx context.Context, tenant ticket.TenantID, station ticket.StationID, kind string, epoch uint32, seq uint64, detail string, nowMs int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO incident (tenant, station, kind, epoch, seq, detail, at_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, tenant, station, kind, epoch, seq, detail, nowMs)
	return err
}
