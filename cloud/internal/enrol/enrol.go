// Package enrol makes stations of machines: one-time codes, and certificates for those who bring one
// (architecture.md section 5, rule 2). It must not know how requests arrive or how codes are shown.
package enrol

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Errors of NewCode.
var (
	// ErrUnknownStation is returned for a station that was never added.
	ErrUnknownStation = errors.New("enrol: unknown station")
	// ErrEnrolled is returned for a station whose machine has enrolled, unless that machine is to be
	// replaced: a second machine beside it could exercise the same rights again (custody-model.md, hole 13).
	ErrEnrolled = errors.New("enrol: a machine has enrolled as this station; replace it, or add a new station")
	// ErrNotEnrolled is returned for replacing the machine of a station that has none.
	ErrNotEnrolled = errors.New("enrol: no machine has enrolled as this station")
)

// A Desk enrols the stations of one tenant. It is safe for concurrent use.
type Desk struct {
	DB     *store.DB
	Tenant ticket.TenantID
	Key    *seal.Key // field key of the tenant
	Root   *identity.Authority
	Now    func() time.Time
	// Stamp gives positions to what is pending in a station's feed.
	Stamp func(ctx context.Context, station link.Peer) error
	// Recipient is the tenant's key for backups, told to stations.
	Recipient string
}

var _ hub.Enroller = (*Desk)(nil)

func secretPlace(tenant ticket.TenantID, id string) string {
	return fmt.Sprintf("enrol_code.secret/%d/%s", tenant, id)
}

// NewCode makes a code for a station that calls the cloud at address: for the first machine of a new
// one, or, with replace, for a machine that takes the present one's place. It is good for
// identity.CodeLife and for one machine. Nothing changes before it is used.
func (d *Desk) NewCode(ctx context.Context, station ticket.StationID, address string, replace bool) (identity.Code, time.Time, error) {
	until := d.Now().Add(identity.CodeLife)
	code, err := identity.NewCode(address, identity.RootHash(d.Root.Cert), nil)
	if err != nil {
		return code, until, err
	}
	secret, err := d.Key.Seal(code.Secret(), secretPlace(d.Tenant, code.ID()))
	if err != nil {
		return code, until, err
	}
	err = d.DB.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		s, found, err := tx.Station(ctx, d.Tenant, station)
		switch {
		case err != nil:
			return err
		case !found:
			return fmt.Errorf("%w: %s", ErrUnknownStation, station)
		case s.Status != store.StationNew && !replace:
			return fmt.Errorf("%w: %s", ErrEnrolled, station)
		case s.Status != store.StationActive && replace:
			return fmt.Errorf("%w: %s", ErrNotEnrolled, station)
		}
		return tx.AddEnrolCode(ctx, d.Tenant, &store.EnrolCode{
			ID: code.ID(), Station: station, Secret: secret, ExpiresMs: until.UnixMilli(), Replaces: s.Epoch,
		})
	})
	return code, until, err
}

// refused is one answer for every kind of wrong code, so that guessing learns nothing.
func refused() error {
	return &wire.Error{Code: wire.CodeEnrolCode, Detail: "the code is unknown, used or expired"}
}

// Enrol implements hub.Enroller. Code and certificates are one transaction; the same request again
// gets the same answer, however late.
func (d *Desk) Enrol(ctx context.Context, req *wire.EnrolRequest) (*wire.EnrolReply, error) {
	code, err := d.proven(ctx, req)
	if err != nil {
		return nil, err
	}
	sum := requestSum(req)
	if !code.Used {
		if code.ExpiresMs <= d.Now().UnixMilli() {
			return nil, refused()
		}
		err := d.certify(ctx, &code, req, sum)
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
		// After a conflict another request was faster: perhaps the same one over another uplink.
		if code, err = d.proven(ctx, req); err != nil {
			return nil, err
		}
	}
	if !code.Used || !hmac.Equal(code.RequestSum, sum) {
		return nil, refused()
	}
	return d.reply(ctx, &code)
}

func requestSum(req *wire.EnrolRequest) []byte {
	sum := sha256.Sum256(identity.Proof(nil, req.StationCSR, req.SiteCSR)) // injective over both
	return sum[:]
}

// proven returns the code that the request has proved to hold.
func (d *Desk) proven(ctx context.Context, req *wire.EnrolRequest) (store.EnrolCode, error) {
	var code store.EnrolCode
	err := d.DB.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		var found bool
		var err error
		if code, found, err = tx.EnrolCode(ctx, d.Tenant, req.CodeID); err == nil && !found {
			err = refused()
		}
		return err
	})
	if err != nil {
		return code, err
	}
	secret, err := d.Key.Open(code.Secret, secretPlace(d.Tenant, code.ID))
	if err != nil {
		return code, err
	}
	if !hmac.Equal(identity.Proof(secret, req.StationCSR, req.SiteCSR), req.Proof) {
		return code, refused()
	}
	return code, nil
}

// certify signs both requests and writes down that the code is used.
func (d *Desk) certify(ctx context.Context, code *store.EnrolCode, req *wire.EnrolRequest, sum []byte) error {
	bad := func(err error) error { return &wire.Error{Code: wire.CodeBadRequest, Detail: err.Error()} }
	now := d.Now()
	station, err := d.Root.IssueStation(req.StationCSR, d.Tenant, code.Station, now)
	if err != nil {
		return bad(err)
	}
	site, err := d.Root.IssueSite(req.SiteCSR, d.Tenant, code.Station, now)
	if err != nil {
		return bad(err)
	}
	raw, err := seal.Random(seal.KeySize)
	if err != nil {
		return err
	}
	self := link.Peer{Tenant: d.Tenant, Station: code.Station}
	chainKey, err := d.Key.Seal(raw, custody.ChainKeyPlace(self, epochOf(code)))
	if err != nil {
		return err
	}
	feedEpoch, err := seal.Random(8)
	if err != nil {
		return err
	}
	if code.Replaces != 0 {
		// What was sold before this moment counts as the old machine's, whether it was sent or not (R9).
		if err := d.Stamp(ctx, self); err != nil {
			return err
		}
	}
	used := *code
	used.RequestSum, used.StationCert, used.SiteCert = sum, station.Raw, site.Raw
	serial := station.SerialNumber.String()
	return d.DB.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.UseEnrolCode(ctx, d.Tenant, &used, now.UnixMilli()); err != nil {
			return err
		}
		if code.Replaces == 0 {
			return tx.Activate(ctx, d.Tenant, code.Station, epochOf(code), chainKey, serial)
		}
		return tx.Replace(ctx, d.Tenant, code.Station, &store.Replacement{
			Replaces: code.Replaces, ChainKey: chainKey, Serial: serial, FeedEpoch: hex.EncodeToString(feedEpoch),
		}, now.UnixMilli())
	})
}

// epochOf is the journal epoch of the machine that uses the code; the first is 1.
func epochOf(code *store.EnrolCode) uint32 { return code.Replaces + 1 }

// reply builds the answer from what is stored, so it is always the same but for the time. A machine
// that was replaced since is refused: it must not get the keys of the one in its place.
func (d *Desk) reply(ctx context.Context, code *store.EnrolCode) (*wire.EnrolReply, error) {
	var s store.Station
	var venue string
	err := d.DB.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		var found bool
		var err error
		if s, found, err = tx.Station(ctx, d.Tenant, code.Station); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: %s", ErrUnknownStation, code.Station)
		}
		if s.Epoch != epochOf(code) {
			return refused()
		}
		venues, err := tx.Venues(ctx, d.Tenant)
		for _, v := range venues {
			if v.ID == s.Venue {
				venue = v.Name
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	self := link.Peer{Tenant: d.Tenant, Station: code.Station}
	chainKey, err := d.Key.Open(s.ChainKey, custody.ChainKeyPlace(self, s.Epoch))
	if err != nil {
		return nil, err
	}
	chain := func(leaf []byte) [][]byte { return [][]byte{leaf, d.Root.Cert.Raw} }
	return &wire.EnrolReply{
		Tenant: d.Tenant, Station: code.Station, Venue: venue, Epoch: s.Epoch, ChainKey: chainKey,
		StationChain: chain(code.StationCert), SiteChain: chain(code.SiteCert), Root: d.Root.Cert.Raw,
		TimeMs: d.Now().UnixMilli(), BackupRecipient: d.Recipient,
	}, nil
}
