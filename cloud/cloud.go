package cloud

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"yipiao/cloud/internal/catalogue"
	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/enrol"
	"yipiao/cloud/internal/people"
	"yipiao/cloud/internal/reports"
	"yipiao/cloud/internal/sample"
	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

// Errors that a caller branches on.
var (
	// ErrNoData is returned by New for a directory that Init has not filled.
	ErrNoData = errors.New("cloud: no data here; run init first")
	// ErrNotFound is returned for a station or ticket that does not exist.
	ErrNotFound = errors.New("cloud: not found")
	// ErrUnknownStation and ErrEnrolled are returned by EnrolCode.
	ErrUnknownStation = enrol.ErrUnknownStation
	ErrEnrolled       = enrol.ErrEnrolled
)

// Cloud is an open cloud. It is safe for concurrent use; several processes may have the same data
// directory open, one of which runs it.
type Cloud struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	db       *store.DB
	tenant   store.Tenant
	fieldKey *seal.Key
	root     *identity.Authority
	node     *node
	desk     *enrol.Desk
	accounts *people.Accounts
	custody  *custody.Store
	hub      *hub.Hub
	web      *web
	bound    chan struct{} // closed when at is set
	at       Listen        // addresses as they are
}

// New checks cfg, opens its data directory and puts the parts together. It listens nowhere before
// Run. The caller closes the Cloud.
func New(cfg Config, log *slog.Logger) (*Cloud, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	made := filepath.Join(cfg.Data, keysDir, rootFile)
	if cfg.Database == "" {
		made = cfg.database()
	}
	if _, err := os.Stat(made); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoData, cfg.Data)
	}
	db, err := store.Open(context.Background(), cfg.database())
	if err != nil {
		return nil, err
	}
	c := &Cloud{cfg: cfg, log: log, now: time.Now, db: db, bound: make(chan struct{})}
	if err := c.assemble(context.Background()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

func (c *Cloud) assemble(ctx context.Context) error {
	keys := filepath.Join(c.cfg.Data, keysDir)
	master, err := seal.ReadMaster(c.cfg.MasterKey)
	if err != nil {
		return err
	}
	if c.root, err = readRoot(keys, master); err != nil {
		return err
	}
	err = c.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		tenants, err := tx.Tenants(ctx)
		if err == nil && len(tenants) != 1 {
			err = fmt.Errorf("%w: %d tenants", ErrNoData, len(tenants))
		}
		if err == nil {
			c.tenant = tenants[0]
		}
		return err
	})
	if err != nil {
		return err
	}
	raw, err := master.Open(c.tenant.FieldKey, fieldKeyPlace(c.tenant.ID))
	if err != nil {
		return err
	}
	if c.fieldKey, err = seal.NewKey(1, raw); err != nil {
		return err
	}
	c.node = &node{dir: keys, root: c.root, tenant: c.tenant.ID, hosts: certHosts(&c.cfg)}
	recipient, err := ensureBackupKey(ctx, c.db, c.tenant.ID, c.fieldKey, c.now().UnixMilli())
	if err != nil {
		return err
	}
	c.custody = custody.New(c.db, c.unseal)
	c.desk = &enrol.Desk{
		DB: c.db, Tenant: c.tenant.ID, Key: c.fieldKey, Root: c.root, Now: c.clock, Recipient: recipient,
		Stamp: func(ctx context.Context, station link.Peer) error {
			_, err := c.custody.Stamp(ctx, station)
			return err
		},
	}
	c.hub = hub.New(c.custody, c.desk, c.clock, c.log)
	c.accounts = people.NewAccounts(c.verifier, c.clock)
	c.web, err = newWeb(c)
	return err
}

// clock is the cloud's clock; tests set it.
func (c *Cloud) clock() time.Time { return c.now() }

func (c *Cloud) unseal(tenant ticket.TenantID, sealed []byte, place string) ([]byte, error) {
	if tenant != c.tenant.ID {
		return nil, fmt.Errorf("%w: tenant %d", seal.ErrSealed, tenant)
	}
	return c.fieldKey.Open(sealed, place)
}

func (c *Cloud) verifier(ctx context.Context, name string) (verifier string, found bool, err error) {
	err = c.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		verifier, found, err = tx.Verifier(ctx, c.tenant.ID, name)
		return err
	})
	return verifier, found, err
}

// Close closes the data directory. Run must have returned.
func (c *Cloud) Close() error { return c.db.Close() }

// VerifyPassword reports whether the password is that of the operator's account.
func (c *Cloud) VerifyPassword(ctx context.Context, name, password string) (bool, error) {
	return c.accounts.Verify(ctx, name, password)
}

// CreateStation registers a station of the venue of that name, which is made where there is none. A
// machine becomes the station with a code from EnrolCode.
func (c *Cloud) CreateStation(ctx context.Context, venue, name string) (ticket.StationID, error) {
	if venue == "" {
		return 0, badField("venue", "场馆名称 (a name)")
	}
	if name == "" {
		return 0, badField("name", "驿站名称 (a name)")
	}
	var id ticket.StationID
	err := c.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := catalogue.Venue(ctx, tx, c.tenant.ID, venue)
		if err != nil {
			return err
		}
		s, err := catalogue.AddStation(ctx, tx, c.tenant.ID, v.ID, name, c.now().UnixMilli())
		id = s.ID
		return err
	})
	return id, err
}

// EnrolCode makes a one-time code for a station for which no machine has enrolled yet; station 0 means
// the only one of those. The machine calls the cloud at address; "" means the configured one.
func (c *Cloud) EnrolCode(ctx context.Context, station ticket.StationID, address string) (EnrolCode, error) {
	return c.newCode(ctx, station, address, false)
}

func (c *Cloud) newCode(ctx context.Context, station ticket.StationID, address string, replace bool) (EnrolCode, error) {
	var err error
	if address == "" {
		if address, err = c.publicAddress(); err != nil {
			return EnrolCode{}, err
		}
	}
	if station == 0 && !replace {
		if station, err = c.newStation(ctx); err != nil {
			return EnrolCode{}, err
		}
	}
	code, until, err := c.desk.NewCode(ctx, station, address, replace)
	if err != nil {
		return EnrolCode{}, err
	}
	return EnrolCode{Station: station, Code: code.String(), UntilMs: until.UnixMilli()}, nil
}

// An EnrolCode is a one-time code, shown once.
type EnrolCode struct {
	Station ticket.StationID `json:"station"`
	Code    string           `json:"code"`
	UntilMs int64            `json:"until_ms"`
}

func (c *Cloud) newStation(ctx context.Context) (ticket.StationID, error) {
	var fresh []ticket.StationID
	err := c.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := tx.Stations(ctx, c.tenant.ID)
		for _, s := range all {
			if s.Status == store.StationNew {
				fresh = append(fresh, s.ID)
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if len(fresh) != 1 {
		return 0, badField("station", fmt.Sprintf("待注册驿站有 %d 个，请指明编号 (%d stations wait to be enrolled: name one)", len(fresh), len(fresh)))
	}
	return fresh[0], nil
}

func (c *Cloud) publicAddress() (string, error) {
	if c.cfg.Public != "" {
		return c.cfg.Public, nil
	}
	address := c.cfg.Listen.Sync
	select {
	case <-c.bound:
		address = c.at.Sync
	default:
	}
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host == "" || port == "0" || ip != nil && ip.IsUnspecified() {
		return "", badField("public", "驿站访问云端的 主机:端口 (host:port under which stations reach the cloud)")
	}
	return address, nil
}

type (
	// SampleOptions say how large the sample is, and where its wallet lies.
	SampleOptions = sample.Options
	// SampleResult says what the sample consists of.
	SampleResult = sample.Result
)

// Sample brings an invented theatre with today's sessions and sold tickets up to date. It may be run
// again, also by another process beside a running one: every step is a transaction of its own, and the
// running process looks for news five times a second.
func (c *Cloud) Sample(ctx context.Context, o SampleOptions) (*SampleResult, error) {
	var keys []store.SignKey
	err := c.db.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		keys, err = tx.SignKeys(ctx, c.tenant.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no signing key", ErrNoData)
	}
	k := keys[len(keys)-1]
	seed, err := c.fieldKey.Open(k.Private, signKeyPlace(c.tenant.ID, k.ID))
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("signing key %d: %d bytes, want %d", k.ID, len(seed), ed25519.SeedSize)
	}
	m := sample.Maker{DB: c.db, Tenant: c.tenant.ID, Key: c.fieldKey, SignKey: k.ID, Sign: ed25519.NewKeyFromSeed(seed)}
	return m.Make(ctx, o, c.now())
}

// peer is a station of the tenant.
func (c *Cloud) peer(station ticket.StationID) link.Peer {
	return link.Peer{Tenant: c.tenant.ID, Station: station}
}

// overview is the present state, with the last most facts and dead letters.
func (c *Cloud) overview(ctx context.Context, most int) (*reports.Overview, error) {
	return reports.Read(ctx, c.db, c.tenant, c.now(), most)
}
