package enrol_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/enrol"
	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/wire"
)

// fakeCloud enrols one station: the same request gets the same reply, any other is refused.
type fakeCloud struct {
	t    *testing.T
	root *identity.Authority
	addr string

	mu    sync.Mutex
	first *wire.EnrolRequest
	reply *wire.EnrolReply
	asked int
	lose  bool // the reply is lost after the code was used
}

func newCloud(t *testing.T) *fakeCloud {
	t.Helper()
	c := &fakeCloud{t: t}
	var err error
	c.root, err = identity.NewRoot(time.Now())
	c.must(err)
	key, err := identity.NewKey()
	c.must(err)
	csr, err := identity.NewCSR(key)
	c.must(err)
	cert, err := c.root.IssueCloud(csr, 7, []string{"127.0.0.1"}, time.Now())
	c.must(err)
	own := identity.Keypair(key, cert, c.root.Cert)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	c.addr = l.Addr().String()
	server := &http.Server{Handler: httplink.NewServer(c, slog.New(slog.DiscardHandler), time.Now), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(tls.NewListener(l, identity.ServerTLS(func() *tls.Certificate { return own }, c.root.Cert, time.Now)))
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return c
}

func (c *fakeCloud) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *fakeCloud) Admit(context.Context, link.Peer, string, uint32) error { return nil }

func (c *fakeCloud) Feed(context.Context, link.Peer, wire.FeedRequest) (wire.Page, error) {
	return wire.Page{}, errors.New("not asked for")
}

func (c *fakeCloud) Upload(context.Context, link.Peer, *wire.Batch) (wire.Ack, error) {
	return wire.Ack{}, errors.New("not asked for")
}

func (c *fakeCloud) Enrol(_ context.Context, r *wire.EnrolRequest) (*wire.EnrolReply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.first == nil {
		st, err := c.root.IssueStation(r.StationCSR, 7, 1, time.Now())
		if err != nil {
			return nil, err
		}
		site, err := c.root.IssueSite(r.SiteCSR, 7, 1, time.Now())
		if err != nil {
			return nil, err
		}
		c.first = r
		c.reply = &wire.EnrolReply{
			Tenant: 7, Station: 1, Venue: "样例大剧院", Epoch: 3, ChainKey: []byte("chain key of a test"), Root: c.root.Cert.Raw,
			StationChain: [][]byte{st.Raw, c.root.Cert.Raw}, SiteChain: [][]byte{site.Raw, c.root.Cert.Raw}, TimeMs: time.Now().UnixMilli(),
		}
	}
	if !bytes.Equal(c.first.StationCSR, r.StationCSR) || !bytes.Equal(c.first.SiteCSR, r.SiteCSR) || !bytes.Equal(c.first.Proof, r.Proof) {
		return nil, &wire.Error{Code: wire.CodeEnrolCode, Detail: "the code was used for another request"}
	}
	if c.lose {
		c.lose = false
		return nil, errors.New("the reply is lost")
	}
	return c.reply, nil
}

func (c *fakeCloud) History(context.Context, link.Peer, wire.HistoryRequest) (wire.HistoryReply, error) {
	return wire.HistoryReply{}, errors.New("not asked")
}

func (c *fakeCloud) code() string {
	c.t.Helper()
	code, err := identity.NewCode(c.addr, identity.RootHash(c.root.Cert), rand.Reader)
	c.must(err)
	return code.String()
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// written are the files of an enrolment in the order in which they are written.
var written = []string{
	"keys/station.key", "keys/site.key", "keys/station.csr", "keys/site.csr",
	"keys/data.key", "keys/chain.key", "station.pem", "site.pem", "root.pem", "identity.json",
}

func TestEnrol_MakesAnIdentityThatOnlyItsOwnerCanRead(t *testing.T) {
	c := newCloud(t)
	dir := filepath.Join(t.TempDir(), "station")
	id, err := enrol.Enrol(within(t), dir, c.code())
	if err != nil {
		t.Fatal(err)
	}
	if id.Tenant != 7 || id.Station != 1 || id.Venue != "样例大剧院" || id.Epoch != 3 || id.Cloud != c.addr || len(id.DataKey) != 32 {
		t.Fatalf("%+v", id)
	}
	found := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			found++
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil || found != len(written) {
		t.Fatalf("%d files, want %d, %v", found, len(written), err)
	}
	again, err := enrol.Load(dir)
	if err != nil || !again.Key.Equal(id.Key) || !again.SiteKey.Equal(id.SiteKey) || !bytes.Equal(again.DataKey, id.DataKey) {
		t.Fatalf("loaded another one, or %v", err)
	}
	if !again.Key.PublicKey.Equal(again.Chain[0].PublicKey) || !again.SiteKey.PublicKey.Equal(again.Site[0].PublicKey) {
		t.Fatal("a certificate is not that of its key")
	}
}

func TestEnrol_IsUsedOnce(t *testing.T) {
	c := newCloud(t)
	dir := t.TempDir()
	if _, err := enrol.Load(dir); !errors.Is(err, enrol.ErrNotEnrolled) {
		t.Fatalf("load before: %v", err)
	}
	if _, err := enrol.Enrol(within(t), dir, c.code()); err != nil {
		t.Fatal(err)
	}
	if _, err := enrol.Enrol(within(t), dir, c.code()); !errors.Is(err, enrol.ErrEnrolled) || c.asked != 1 {
		t.Fatalf("%v, the cloud was asked %d times", err, c.asked)
	}
}

// TestEnrol_GoesOnAfterACrashAtEveryFile: the crash comes after k files are written, perhaps with half
// of the next one beside it; the second run makes the same request and ends well.
func TestEnrol_GoesOnAfterACrashAtEveryFile(t *testing.T) {
	for k := range written {
		t.Run("after "+written[k], func(t *testing.T) {
			c := newCloud(t)
			dir, code := t.TempDir(), c.code()
			first, err := enrol.Enrol(within(t), dir, code)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range written[k+1:] {
				c.must(os.Remove(filepath.Join(dir, name)))
			}
			if k+1 == len(written) {
				if _, err := enrol.Enrol(within(t), dir, code); !errors.Is(err, enrol.ErrEnrolled) {
					t.Fatalf("got %v", err)
				}
				return
			}
			c.must(os.WriteFile(filepath.Join(dir, written[k+1]+".new"), []byte("half of"), 0o600))
			if k < 3 { // the cloud had not been asked: another key makes another request
				c.first = nil
			}
			second, err := enrol.Enrol(within(t), dir, code)
			if err != nil {
				t.Fatal(err)
			}
			if !second.Key.Equal(first.Key) || k > 0 && !second.SiteKey.Equal(first.SiteKey) {
				t.Fatal("a key that was there is made anew")
			}
			if _, err := enrol.Load(dir); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestEnrol_LostReplyIsAskedForAgain(t *testing.T) {
	c := newCloud(t)
	c.lose = true
	dir, code := t.TempDir(), c.code()
	if _, err := enrol.Enrol(within(t), dir, code); err == nil {
		t.Fatal("enrolled on a lost reply")
	}
	if _, err := enrol.Load(dir); !errors.Is(err, enrol.ErrNotEnrolled) {
		t.Fatalf("load in between: %v", err)
	}
	if _, err := enrol.Enrol(within(t), dir, code); err != nil {
		t.Fatal(err)
	}
}

// A code that another machine has used is refused, and the refusal reaches the person.
func TestEnrol_UsedCodeIsRefused(t *testing.T) {
	c := newCloud(t)
	code := c.code()
	if _, err := enrol.Enrol(within(t), t.TempDir(), code); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, err := enrol.Enrol(within(t), dir, code)
	var said *wire.Error
	if !errors.As(err, &said) || said.Code != wire.CodeEnrolCode {
		t.Fatalf("got %v", err)
	}
	if _, err := enrol.Load(dir); !errors.Is(err, enrol.ErrNotEnrolled) {
		t.Fatalf("load: %v", err)
	}
}

func TestEnrol_CodeThatIsNoCodeTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "station")
	for _, code := range []string{"", "E1/127.0.0.1:1/ABCDE", "hello"} {
		if _, err := enrol.Enrol(within(t), dir, code); err == nil {
			t.Errorf("%q was taken", code)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("files were made")
	}
}

// A server that the code does not pin gets nothing.
func TestEnrol_ServerOfAnotherDeploymentIsRefused(t *testing.T) {
	c, other := newCloud(t), newCloud(t)
	code, err := identity.NewCode(other.addr, identity.RootHash(c.root.Cert), rand.Reader)
	c.must(err)
	if _, err := enrol.Enrol(within(t), t.TempDir(), code.String()); err == nil {
		t.Fatal("enrolled")
	}
	if other.asked != 0 {
		t.Fatal("the other server saw the request")
	}
}

func TestLoad_NamesWhatIsMissingOrSpoilt(t *testing.T) {
	c := newCloud(t)
	dir := t.TempDir()
	if _, err := enrol.Enrol(within(t), dir, c.code()); err != nil {
		t.Fatal(err)
	}
	for _, name := range written {
		if strings.HasSuffix(name, ".csr") || name == "identity.json" {
			continue
		}
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		c.must(err)
		c.must(os.Remove(path))
		if _, err := enrol.Load(dir); err == nil || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("without %s: %v", name, err)
		}
		if !strings.HasSuffix(name, "data.key") && !strings.HasSuffix(name, "chain.key") {
			c.must(os.WriteFile(path, []byte("spoilt"), 0o600))
			if _, err := enrol.Load(dir); err == nil || errors.Is(err, enrol.ErrNotEnrolled) {
				t.Errorf("spoilt %s: %v", name, err)
			}
		}
		c.must(os.WriteFile(path, good, 0o600))
	}
	c.must(os.WriteFile(filepath.Join(dir, "identity.json"), []byte("{"), 0o600))
	if _, err := enrol.Load(dir); err == nil || !strings.Contains(err.Error(), "identity.json") {
		t.Errorf("spoilt identity.json: %v", err)
	}
}

// Keys and secrets never stand in identity.json, which people copy.
func TestIdentity_JSONHoldsNoSecret(t *testing.T) {
	c := newCloud(t)
	dir := t.TempDir()
	id, err := enrol.Enrol(within(t), dir, c.code())
	c.must(err)
	raw, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	c.must(err)
	var fields map[string]any
	c.must(json.Unmarshal(raw, &fields))
	for name := range fields {
		switch name {
		case "tenant", "station", "venue", "cloud", "epoch", "enrolled_ms":
		default:
			t.Errorf("field %s", name)
		}
	}
	if bytes.Contains(raw, id.DataKey) || bytes.Contains(raw, id.ChainKey) {
		t.Error("a key")
	}
}
