package cloud

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"yipiao/cloud/internal/people"
	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

// ErrExists is returned by Init for a data directory that is in use.
var ErrExists = errors.New("cloud: the data directory is in use already")

// The one tenant, the first operator and the first signing key of a new cloud.
const (
	firstTenant   = ticket.TenantID(1)
	firstOperator = "admin"
	firstSignKey  = ticket.KeyID(1)
)

// InitResult is what is shown once and kept nowhere.
type InitResult struct {
	Name     string      `json:"name"` // of the operator's account
	Password string      `json:"password"`
	Root     ticket.Hash `json:"root"` // hash of the deployment root, as enrolment codes pin it
}

// Init makes the data directory of a new cloud: master key, deployment root, certificate of this node,
// database, a tenant named tenant with its keys, and one operator's account with a random password.
// The tenant is written last; a directory where that was not reached has to be removed by hand, and
// Init says so.
func Init(ctx context.Context, cfg Config, tenant string, now time.Time) (*InitResult, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if tenant == "" {
		return nil, badField("tenant", "租户名称 (a name)")
	}
	keys := filepath.Join(cfg.Data, keysDir)
	for _, file := range []string{filepath.Join(cfg.Data, databaseFile), filepath.Join(keys, rootFile), cfg.MasterKey} {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("%w: %s", ErrExists, file), err)
		}
	}
	if err := vacant(ctx, &cfg); err != nil {
		return nil, err
	}
	for _, dir := range []string{cfg.Data, keys, filepath.Dir(cfg.MasterKey)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make data directory: %w", err)
		}
	}
	master, err := seal.CreateMaster(cfg.MasterKey)
	if err != nil {
		return nil, err
	}
	root, err := makeRoot(keys, master, now)
	if err != nil {
		return nil, err
	}
	n := node{dir: keys, root: root, tenant: firstTenant, hosts: certHosts(&cfg)}
	if _, err := n.ensure(now); err != nil {
		return nil, err
	}
	password, err := people.NewPassword()
	if err != nil {
		return nil, err
	}
	if err := initDatabase(ctx, &cfg, master, tenant, password, now.UnixMilli()); err != nil {
		return nil, err
	}
	return &InitResult{Name: firstOperator, Password: password, Root: identity.RootHash(root.Cert)}, nil
}

// vacant makes sure that a database on a server is no other cloud's, before anything is made here.
func vacant(ctx context.Context, cfg *Config) (err error) {
	if cfg.Database == "" {
		return nil
	}
	db, err := store.Open(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		tenants, err := tx.Tenants(ctx)
		if err == nil && len(tenants) > 0 {
			err = fmt.Errorf("%w: the database has a tenant", ErrExists)
		}
		return err
	})
}

func initDatabase(ctx context.Context, cfg *Config, master *seal.Key, tenant, password string, nowMs int64) (err error) {
	raw, err := seal.Random(seal.KeySize)
	if err != nil {
		return err
	}
	fieldKey, err := seal.NewKey(1, raw)
	if err != nil {
		return err
	}
	wrapped, err := master.Seal(raw, fieldKeyPlace(firstTenant))
	if err != nil {
		return err
	}
	signKey, err := newSignKey(fieldKey, nowMs)
	if err != nil {
		return err
	}
	verifier, err := people.NewVerifier(password)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, cfg.database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		err := tx.AddTenant(ctx, &store.Tenant{ID: firstTenant, Name: tenant, FieldKey: wrapped}, nowMs)
		if err != nil {
			return err
		}
		if err := tx.AddSignKey(ctx, firstTenant, signKey); err != nil {
			return err
		}
		return tx.AddOperator(ctx, firstTenant, firstOperator, verifier, nowMs)
	})
}

func newSignKey(fieldKey *seal.Key, nowMs int64) (*store.SignKey, error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	sealed, err := fieldKey.Seal(priv.Seed(), signKeyPlace(firstTenant, firstSignKey))
	if err != nil {
		return nil, err
	}
	k := &store.SignKey{Private: sealed}
	k.SignKey = ticket.SignKey{ID: firstSignKey, Alg: "Ed25519", Public: pub, FromMs: nowMs}
	return k, nil
}
