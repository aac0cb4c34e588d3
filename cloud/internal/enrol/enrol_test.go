package enrol_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yipiao/cloud/internal/catalogue"
	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/enrol"
	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A world is a cloud with one new station, behind a real TLS listener.
type world struct {
	t       *testing.T
	desk    *enrol.Desk
	db      *store.DB
	address string
	ahead   atomic.Int64 // nanoseconds that the cloud's clock is ahead
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// each runs a test in a world on every engine.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) { test(t, newWorld(t, e.Open(t))) })
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	root, err := identity.NewRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.NewKey(1, make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db}
	w.desk = &enrol.Desk{DB: db, Tenant: 1, Key: key, Root: root, Now: w.now}
	w.desk.Stamp = func(ctx context.Context, station link.Peer) error {
		_, err := custody.New(db, nil).Stamp(ctx, station)
		return err
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "样例", FieldKey: []byte("k")}, 1); err != nil {
			return err
		}
		v, err := catalogue.Venue(ctx, tx, 1, "样例大剧院")
		if err == nil {
			_, err = catalogue.AddStation(ctx, tx, 1, v.ID, "主站", 1)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.serve()
	return w
}

func (w *world) serve() {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.address = ln.Addr().String()
	csr, key := w.csr()
	cert, err := w.desk.Root.IssueCloud(csr, 1, []string{"127.0.0.1"}, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	own := identity.Keypair(key, cert, w.desk.Root.Cert)
	open := func(_ ticket.TenantID, sealed []byte, place string) ([]byte, error) {
		return w.desk.Key.Open(sealed, place)
	}
	log := slog.New(slog.DiscardHandler)
	h := hub.New(custody.New(w.db, open), w.desk, w.now, log)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	cfg := identity.ServerTLS(func() *tls.Certificate { return own }, w.desk.Root.Cert, time.Now)
	go func() { ended <- httplink.Serve(ctx, ln, httplink.NewServer(h, log, w.now), cfg, log) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) csr() ([]byte, *ecdsa.PrivateKey) {
	w.t.Helper()
	key, err := identity.NewKey()
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := identity.NewCSR(key)
	if err != nil {
		w.t.Fatal(err)
	}
	return der, key
}

func (w *world) code() identity.Code {
	w.t.Helper()
	code, until, err := w.desk.NewCode(w.t.Context(), 1, w.address, false)
	if err != nil {
		w.t.Fatal(err)
	}
	if left := until.Sub(w.now()); left > identity.CodeLife || left < identity.CodeLife-time.Minute {
		w.t.Fatalf("the code is good for %s", left)
	}
	read, err := identity.ParseCode(code.String()) // as the machine's technician types it
	if err != nil {
		w.t.Fatal(err)
	}
	return read
}

func (w *world) enrol(code identity.Code, station, site []byte) (*httplink.Enrolment, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	return httplink.Enrol(ctx, code, station, site, httplink.EnrolConfig{})
}

func refused(err error) bool {
	var answer *wire.Error
	return errors.As(err, &answer) && answer.Code == wire.CodeEnrolCode
}

func TestEnrol_MakesAStationThatTheCloudServes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		station, key := w.csr()
		site, _ := w.csr()
		e, err := w.enrol(w.code(), station, site)
		if err != nil {
			t.Fatal(err)
		}
		r := e.Reply
		if r.Tenant != 1 || r.Station != 1 || r.Venue != "样例大剧院" || r.Epoch != 1 || len(r.ChainKey) != 32 || r.TimeMs == 0 {
			t.Fatalf("reply %+v", r)
		}
		c, err := httplink.NewClient(httplink.ClientConfig{Address: w.address, Root: e.Root, Own: identity.Keypair(key, e.Station...), Tenant: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Feed(t.Context(), wire.FeedRequest{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Upload(t.Context(), &wire.Batch{Epoch: 1}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEnrol_SameRequestsGetTheSameAnswerOthersNone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		code := w.code()
		station, _ := w.csr()
		site, _ := w.csr()
		first, err := w.enrol(code, station, site)
		if err != nil {
			t.Fatal(err)
		}
		w.ahead.Store(int64(2 * identity.CodeLife)) // a reply that was lost may be asked for again, however late
		again, err := w.enrol(code, station, site)
		if err != nil {
			t.Fatal(err)
		}
		first.Reply.TimeMs = again.Reply.TimeMs
		if !reflect.DeepEqual(first.Reply, again.Reply) {
			t.Fatal("the same request got another answer")
		}
		w.ahead.Store(0)
		other, _ := w.csr()
		if _, err := w.enrol(code, other, site); !refused(err) {
			t.Errorf("other station key: %v", err)
		}
		if _, err := w.enrol(code, station, other); !refused(err) {
			t.Errorf("other site key: %v", err)
		}
	})
}

func TestEnrol_OneWinsWhenTwoMachinesBringOneCode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		code := w.code()
		var wg sync.WaitGroup
		var won atomic.Int64
		for range 4 {
			station, _ := w.csr()
			site, _ := w.csr()
			wg.Go(func() {
				switch _, err := w.enrol(code, station, site); {
				case err == nil:
					won.Add(1)
				case !refused(err):
					t.Errorf("error %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d machines became the station", won.Load())
		}
	})
}

func TestEnrol_WrongAndExpiredCodes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		station, _ := w.csr()
		site, _ := w.csr()
		wrong, err := identity.NewCode(w.address, identity.RootHash(w.desk.Root.Cert), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.enrol(wrong, station, site); !refused(err) {
			t.Errorf("a code that was never made: %v", err)
		}
		code := w.code()
		w.ahead.Store(int64(identity.CodeLife + time.Second))
		if _, err := w.enrol(code, station, site); !refused(err) {
			t.Errorf("an expired code: %v", err)
		}
		w.ahead.Store(0)
		req := &wire.EnrolRequest{Version: 1, CodeID: code.ID(), StationCSR: station, SiteCSR: site, Proof: make([]byte, 32)}
		if _, err := w.desk.Enrol(t.Context(), req); !refused(err) {
			t.Errorf("a code of which only the public half is known: %v", err)
		}
		if _, err := w.enrol(code, []byte("garbage"), site); err == nil || refused(err) {
			t.Errorf("a broken signing request: %v", err)
		}
		if _, err := w.enrol(code, station, site); err != nil {
			t.Errorf("the code after all that: %v", err)
		}
	})
}

// Custody-model hole 13: a second machine under the same number would read the same grants again.
func TestHole13_AnEnrolledStationGetsNoSecondMachine(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, second := w.code(), w.code()
		station, _ := w.csr()
		site, _ := w.csr()
		if _, err := w.enrol(first, station, site); err != nil {
			t.Fatal(err)
		}
		if _, err := w.enrol(second, station, site); !refused(err) {
			t.Errorf("another code for the same station: %v", err)
		}
		if _, _, err := w.desk.NewCode(t.Context(), 1, w.address, false); !errors.Is(err, enrol.ErrEnrolled) {
			t.Errorf("a new code: %v", err)
		}
		if _, _, err := w.desk.NewCode(t.Context(), 9, w.address, false); !errors.Is(err, enrol.ErrUnknownStation) {
			t.Errorf("a code for nobody: %v", err)
		}
	})
}

func TestNewCode_SecretsAreSealed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		code := w.code()
		var stored store.EnrolCode
		err := w.db.Read(t.Context(), func(ctx context.Context, tx *store.Tx) (err error) {
			stored, _, err = tx.EnrolCode(ctx, 1, code.ID())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(stored.Secret, code.Secret()) || bytes.Contains(stored.Secret, code.Random[:]) || len(stored.Secret) == 0 {
			t.Fatal("the secret half lies open")
		}
	})
}
