package edge

import (
	"archive/tar"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/fleet"
	"yipiao/sync/ticket"
)

// TestBackup_HoldsNoSecret greps the opened archive for every key of the machine.
func TestBackup_HoldsNoSecret(t *testing.T) {
	v := newVenueRig(t)
	st := v.start()
	st.synced()
	st.admit(1)
	st.stop()
	plain := opened(t, v.kept(backup.Shutdown), v.key.Private)
	if !bytes.Contains(plain, []byte("1排1座")) {
		t.Fatal("the archive was not opened")
	}
	secrets := map[string][]byte{"recovery key": []byte(v.key.Private)}
	v.must(filepath.WalkDir(filepath.Join(v.dir, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		for i, line := range bytes.Split(bytes.TrimSpace(raw), []byte("\n")) {
			if len(line) >= 16 && !bytes.HasPrefix(line, []byte("-----")) {
				secrets[fmt.Sprintf("%s %d", d.Name(), i)] = line
			}
		}
		return err
	}))
	if len(secrets) < 5 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	for name, s := range secrets {
		for form, b := range map[string][]byte{
			"as it is": s, "hex": []byte(hex.EncodeToString(s)), "base64": []byte(base64.StdEncoding.EncodeToString(s)),
		} {
			if bytes.Contains(plain, b) {
				t.Errorf("%s is in the backup, %s", name, form)
			}
		}
	}
}

// opened is everything in an archive.
func opened(t *testing.T, path, private string) []byte {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id, err := age.ParseX25519Identity(private)
	must(err)
	f, err := os.Open(path)
	must(err)
	defer func() { _ = f.Close() }()
	plain, err := age.Decrypt(f, id)
	must(err)
	z, err := zstd.NewReader(plain)
	must(err)
	defer z.Close()
	var out bytes.Buffer
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out.Bytes()
		}
		must(err)
		out.WriteString(h.Name)
		_, err = io.Copy(&out, r)
		must(err)
	}
}

// TestBackup_ByHand: two requests, through the LAN API as a technician who has logged in (SHOW-E.3.1-d, e).
func TestBackup_ByHand(t *testing.T) {
	v := newVenueRig(t)
	v.must(os.Remove(filepath.Join(v.dir, recipientFile)))
	st := v.start()
	st.synced()
	people, err := fleet.Open(st.ledger, time.Now)
	v.must(err)
	password, err := people.AddAccount("技术员", "technician")
	v.must(err)
	st.stop()
	st = v.start()
	url := st.url
	client := clientOf(t, st.Station)
	token := ""
	call := func(method, path, body string, want int) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		v.must(err)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		v.must(err)
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		v.must(err)
		if res.StatusCode != want {
			t.Fatalf("%s %s: %s %s", method, path, res.Status, raw)
		}
		return raw
	}
	state := func() (s BackupStatus) {
		t.Helper()
		v.must(json.Unmarshal(call(http.MethodGet, "/api/v1/backups", "", 200), &s))
		return s
	}
	call(http.MethodGet, "/api/v1/backups", "", 401)
	call(http.MethodPost, "/api/v1/backups", "{}", 401)
	var in struct{ Token string }
	v.must(json.Unmarshal(call(http.MethodPost, "/api/v1/login", fmt.Sprintf(`{"name":"技术员","password":%q}`, password), 200), &in))
	token = in.Token
	// Without a recovery key nothing is made, and the status says so.
	call(http.MethodPost, "/api/v1/backups", "{}", 202)
	v.until("it has failed", func() bool { return state().ByHand != nil })
	if s := state(); s.ByHand.Code != string(backup.CodeNoRecipient) || !strings.Contains(s.ByHand.Message, "恢复密钥") || len(s.Keys) != 0 {
		t.Fatalf("%+v", s)
	}
	if got := st.Status(); !slices.Contains(got.Attention, "backup_failed:no_recipient") {
		t.Errorf("attention %v", got.Attention)
	}
	v.must(SetRecipient(v.dir, v.key.Recipient))
	call(http.MethodPost, "/api/v1/backups", "{}", 202)
	v.until("it is made", func() bool { s := state(); return s.ByHand != nil && s.ByHand.Code == "" })
	if s := state(); len(s.Kept) == 0 || s.ByHand.Tickets != rigTickets || !slices.Equal(s.Keys, []string{"venue"}) {
		t.Fatalf("%+v", s)
	}
	call(http.MethodPost, "/api/v1/backups", `{"stick":true}`, 409)
	notes := 0
	st.reported()
	for _, e := range v.cloud.store.Facts(self) {
		var n ticket.Note
		if ticket.FactKind(e.Kind) == ticket.FactOperatorAction && n.Decode(e.Body) == nil && n.Subject == "backup" && n.Text == "技术员" {
			notes++
		}
	}
	if notes != 2 {
		t.Errorf("%d notes of backups by hand, want 2", notes)
	}
	v.until("nothing needs a person", func() bool { return !slices.ContainsFunc(st.Status().Attention, isBackup) })
}

func isBackup(code string) bool { return strings.HasPrefix(code, "backup") }

// clientOf trusts the deployment's root only, as a device does.
func clientOf(t *testing.T, s *Station) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.id.Root)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}
