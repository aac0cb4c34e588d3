// Package enrol makes stations of machines: one-time codes, and certificates for those who bring one
// (architecture.md section 5, rule 2). It must not know how requests arrive or how codes are shown.
package enrol

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
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
	// ErrEnrolled is returned for a station whose machine has enrolled. A second machine under the
	// same number could exercise the same rights again (custody-model.md, hole 13).
	ErrEnrolled = errors.New("enrol: a machine has enrolled as this station; add a new station")
)

// firstEpoch is the journal epoch that a machine begins with.
const firstEpoch = 1

// A Desk enrols the stations of one tenant. It is safe for concurrent use.
type Desk struct {
	DB     *store.DB
	Tenant ticket.TenantID
	Key    *seal.Key // field key of the tenant
	Root   *identity.Authority
	Now    func() time.Time
}

var _ hub.Enroller = (*Desk)(nil)

func secretPlace(tenant ticket.TenantID, id string) string {
	return fmt.Sprintf("enrol_code.secret/%d/%s", tenant, id)
}

// NewCode makes a code for a new station that calls the cloud at address. It is good for
// identity.CodeLife and for one machine.
func (d *Desk) NewCode(ctx context.Context, station ticket.StationID, address string) (identity.Code, time.Time, error) {
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
		case s.Status != store.StationNew:
			return fmt.Errorf("%w: %s", ErrEnrolled, station)
		}
		return tx.AddEnrolCode(ctx, d.Tenant, &store.EnrolCode{
			ID: code.ID(), Station: station, Secret: secret, ExpiresMs: until.UnixMilli(),
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
	chainKey, err := d.Key.Seal(raw, custody.ChainKeyPlace(self, firstEpoch))
	if err != nil {
		return err
	}
	used := *code
	used.RequestSum, used.StationCert, used.SiteCert = sum, station.Raw, site.Raw
	return d.DB.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.UseEnrolCode(ctx, d.Tenant, &used, now.UnixMilli()); err != nil {
			return err
		}
		return tx.Activate(ctx, d.Tenant, code.Station, firstEpoch, chainKey, station.SerialNumber.String())
	})
}

// reply builds the answer from what is stored, so it is always the same but for the time.
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
		TimeMs: d.Now().UnixMilli(),
	}, nil
}
