package store

import (
	"context"
	"database/sql"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// A StationStatus says what became of a station's registration. The numbers are stored.
type StationStatus int

// Station statuses.
const (
	StationNew     StationStatus = 0 // created, no machine has enrolled yet
	StationActive  StationStatus = 1
	StationRevoked StationStatus = 2
)

// A Station is the registration of a station and what is held of its journal.
type Station struct {
	ID       ticket.StationID
	Venue    VenueID
	Name     string
	Status   StationStatus
	Epoch    uint32 // of its journal; 0 before it enrols
	ChainKey []byte // sealed
	Sum      journal.Sum
	Durable  uint64
	Folded   uint64
	SeenMs   int64 // last contact; 0 for never
}

const stationColumns = `id, venue, name, status, journal_epoch, chain_key, chain_sum, durable_seq, folded_seq, seen_ms`

func scanStation(row Scan, s *Station) error {
	var sum []byte
	var seen sql.NullInt64
	err := row(&s.ID, &s.Venue, &s.Name, &s.Status, &s.Epoch, &s.ChainKey, &sum, &s.Durable, &s.Folded, &seen)
	copy(s.Sum[:], sum)
	s.SeenMs = seen.Int64
	return err
}

// AddStation inserts a new station with an empty feed, whose epoch is given, and sets its id.
func (tx *Tx) AddStation(ctx context.Context, tenant ticket.TenantID, s *Station, feedEpoch string, nowMs int64) error {
	if err := tx.next(ctx, "station", tenant, &s.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO station (tenant, id, venue, name, status, journal_epoch, chain_sum, durable_seq, folded_seq, made_ms)
		VALUES ($1, $2, $3, $4, $5, 0, $6, 0, 0, $7)`,
		tenant, s.ID, s.Venue, s.Name, StationNew, make([]byte, journal.SumSize), nowMs)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO feed_head (tenant, feed, epoch, head, sent_pos)
		VALUES ($1, $2, $3, 0, 0)`, tenant, s.ID, feedEpoch)
	return err
}

// Station returns a station, locked for the rest of a writing transaction, and whether there is one.
func (tx *Tx) Station(ctx context.Context, tenant ticket.TenantID, id ticket.StationID) (Station, bool, error) {
	var s Station
	var found bool
	err := tx.Rows(ctx, `
		SELECT `+stationColumns+`
		FROM station
		WHERE tenant = $1 AND id = $2 `+tx.Dialect.Update, []any{tenant, id}, func(row Scan) error {
		found = true
		return scanStation(row, &s)
	})
	return s, found, err
}

// Stations returns the stations of a tenant.
func (tx *Tx) Stations(ctx context.Context, tenant ticket.TenantID) ([]Station, error) {
	return List(ctx, tx, `
		SELECT `+stationColumns+`
		FROM station
		WHERE tenant = $1
		ORDER BY id`, []any{tenant}, scanStation)
}

// Activate makes a new station an active one: its journal begins epoch with the sealed chain key.
func (tx *Tx) Activate(ctx context.Context, tenant ticket.TenantID, id ticket.StationID, epoch uint32, chainKey []byte, serial string) error {
	return tx.ExecOne(ctx, `
		UPDATE station
		SET status = $3, journal_epoch = $4, chain_key = $5, cert_serial = $6
		WHERE tenant = $1 AND id = $2 AND status = $7`,
		tenant, id, StationActive, epoch, chainKey, serial, StationNew)
}

// Seen notes a station's last contact. It returns ErrConflict for an unknown station.
func (tx *Tx) Seen(ctx context.Context, tenant ticket.TenantID, id ticket.StationID, nowMs int64) error {
	return tx.ExecOne(ctx, `
		UPDATE station
		SET seen_ms = $3
		WHERE tenant = $1 AND id = $2`, tenant, id, nowMs)
}

// An EnrolCode is a one-time code as the cloud keeps it.
type EnrolCode struct {
	ID          string
	Station     ticket.StationID
	Secret      []byte // sealed
	ExpiresMs   int64
	Replaces    uint32 // journal epoch of the machine to be replaced; 0 for a new station
	Used        bool
	RequestSum  []byte // of the request that used it
	StationCert []byte // DER, what that request got
	SiteCert    []byte
}

// AddEnrolCode inserts a code.
func (tx *Tx) AddEnrolCode(ctx context.Context, tenant ticket.TenantID, c *EnrolCode) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO enrol_code (tenant, id, station, secret, expires_ms, replaces)
		VALUES ($1, $2, $3, $4, $5, nullif(cast($6 AS bigint), 0))`, tenant, c.ID, c.Station, c.Secret, c.ExpiresMs, c.Replaces)
	return err
}

// EnrolCode returns a code and whether there is one.
func (tx *Tx) EnrolCode(ctx context.Context, tenant ticket.TenantID, id string) (EnrolCode, bool, error) {
	var c EnrolCode
	found, err := tx.Row(ctx, `
		SELECT id, station, secret, expires_ms, coalesce(replaces, 0), used_ms IS NOT NULL, request_sum, station_cert, site_cert
		FROM enrol_code
		WHERE tenant = $1 AND id = $2`, []any{tenant, id},
		&c.ID, &c.Station, &c.Secret, &c.ExpiresMs, &c.Replaces, &c.Used, &c.RequestSum, &c.StationCert, &c.SiteCert)
	return c, found, err
}

// UseEnrolCode writes down who used the code and what was answered. ErrConflict when it was used.
func (tx *Tx) UseEnrolCode(ctx context.Context, tenant ticket.TenantID, c *EnrolCode, nowMs int64) error {
	return tx.ExecOne(ctx, `
		UPDATE enrol_code
		SET used_ms = $3, request_sum = $4, station_cert = $5, site_cert = $6
		WHERE tenant = $1 AND id = $2 AND used_ms IS NULL`,
		tenant, c.ID, nowMs, c.RequestSum, c.StationCert, c.SiteCert)
}
