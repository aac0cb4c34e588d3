package edge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/clock"
	"yipiao/edge/internal/enrol"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// ErrRestoring is returned by New for a data directory whose restore has not come to its end.
var ErrRestoring = errors.New("恢复还没有完成：再运行一次 yipiao restore (a restore was not completed: run it again)")

// markerFile lies in a data directory from the first to the last step of a restore.
const markerFile = "restoring.json"

// A RestoreRequest says what to restore, and where.
type RestoreRequest struct {
	Archive string    // the backup
	Key     io.Reader // the private key, as it was shown or as age writes it
	Code    string    // one-time code for a machine that takes the place of the station's present one
	Dir     string    // data directory, without a station in it
	Config  string    // where the configuration goes; "" = station.json in Dir. An existing file stays.
	// SetAside moves a station's files that are in Dir into a folder beside them instead of refusing.
	SetAside bool
	// Confirm is shown what the backup is; an error ends the restore before anything has changed.
	Confirm func(BackupContents) error
	Say     func(step string) // progress for people; may be nil
}

// BackupContents is what a backup holds. Times are Unix milliseconds.
type BackupContents struct {
	backup.Manifest
	Counts backup.Counts `json:"counts"`
}

// Restored says what a restore has done.
type Restored struct {
	Station  ticket.StationID
	Venue    string
	Epoch    uint32 // new journal epoch
	Contents BackupContents
	Uploaded int    // facts of the old machine that the cloud did not hold yet
	Config   string // file that was written; "" when there was one
	SetAside string // folder with what was there before; "" for nothing
	// CloudKey is true when the cloud's key was used: the venue has lost its own and needs a new one.
	CloudKey bool
}

// marker ties the attempts of a restore together.
type marker struct {
	Archive string           `json:"archive_sha256"`
	Station ticket.StationID `json:"station"`
}

// ShowBackup decrypts a backup, checks all of it, and says what it holds.
func ShowBackup(path string, key io.Reader) (BackupContents, error) {
	ids, err := backup.ParseKey(key)
	if err != nil {
		return BackupContents{}, err
	}
	m, counts, err := backup.Verify(path, ids...)
	return BackupContents{m, counts}, err
}

// Restore makes an empty machine the station of a backup: checks the backup whole, enrols with the code
// (new keys, new journal epoch), hands the cloud the facts that it did not hold, fills the catalogue,
// and writes the configuration. The station that starts then holds no custody until the cloud grants it.
// It can be repeated after any failure, with the same backup and code.
func Restore(ctx context.Context, r RestoreRequest) (Restored, error) {
	say := r.Say
	if say == nil {
		say = func(string) {}
	}
	ids, err := backup.ParseKey(r.Key)
	if err != nil {
		return Restored{}, err
	}
	say("校验备份 (checking the backup)")
	m, counts, err := backup.Verify(r.Archive, ids...)
	if err != nil {
		return Restored{}, err
	}
	out := Restored{Station: m.Station, Venue: m.Venue, Contents: BackupContents{m, counts}}
	if r.Confirm != nil {
		if err := r.Confirm(out.Contents); err != nil {
			return out, err
		}
	}
	if out.SetAside, err = r.begin(&m); err != nil {
		return out, err
	}
	say("向云端登记 (enrolling)")
	id, err := r.enrol(ctx, &m)
	if err != nil {
		return out, err
	}
	out.Epoch = id.Epoch
	say("交出旧机器的未上传记录 (handing over facts)")
	if out.Uploaded, err = uploadPending(ctx, id, r.Archive, ids); err != nil {
		return out, err
	}
	say("写入票、场次与账号 (tickets, sessions, accounts)")
	if err := r.fill(ctx, id, &m, ids); err != nil {
		return out, err
	}
	if out.Config, err = r.config(ids); err != nil {
		return out, err
	}
	out.CloudKey = !opens(ids, m.Recipient)
	return out, os.Remove(filepath.Join(r.Dir, markerFile))
}

// opens reports whether one of the keys belongs to the recipient.
func opens(ids []age.Identity, recipient string) bool {
	for _, id := range ids {
		if x, ok := id.(*age.X25519Identity); ok && x.Recipient().String() == recipient {
			return true
		}
	}
	return false
}

// stationFiles are what makes a directory a station's. Backups, configuration and the recovery key's
// public half are not among them.
var stationFiles = []string{
	"identity.json", "keys", "station.pem", "site.pem", "root.pem", "catalogue.db", "index.snap", "journal",
	"desk.sqlite", "desk.sqlite-wal", "desk.sqlite-shm", revokedFile,
}

// begin makes sure that the directory has no station, or an earlier attempt with this very backup.
func (r *RestoreRequest) begin(m *backup.Manifest) (aside string, err error) {
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	want := marker{Station: m.Station}
	if want.Archive, err = fileSum(r.Archive); err != nil {
		return "", err
	}
	var have marker
	text, err := os.ReadFile(filepath.Join(r.Dir, markerFile))
	if err == nil && json.Unmarshal(text, &have) == nil && have == want {
		return "", nil
	}
	var found []string
	for _, name := range stationFiles {
		if _, err := os.Lstat(filepath.Join(r.Dir, name)); err == nil {
			found = append(found, name)
		}
	}
	if len(found) > 0 {
		if !r.SetAside {
			return "", &backup.Error{Code: backup.CodeNotEmpty, Err: fmt.Errorf("%s: %v", r.Dir, found)}
		}
		if aside, err = setAside(r.Dir, found); err != nil {
			return "", err
		}
	}
	if text, err = json.Marshal(want); err != nil {
		return aside, err
	}
	return aside, replaceFile(filepath.Join(r.Dir, markerFile), text)
}

func setAside(dir string, names []string) (string, error) {
	to, err := os.MkdirTemp(dir, "set-aside-"+time.Now().Format("20060102-150405")+"-*")
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(to, name)); err != nil {
			return to, fmt.Errorf("restore: %w", err)
		}
	}
	return to, nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// enrol uses the code, or finds it used by an earlier attempt. A code of another station, or one that
// replaces nobody, makes a machine that must not get this backup: it is set aside.
func (r *RestoreRequest) enrol(ctx context.Context, m *backup.Manifest) (*enrol.Identity, error) {
	id, err := enrol.Enrol(ctx, r.Dir, r.Code)
	if errors.Is(err, enrol.ErrEnrolled) {
		id, err = enrol.Load(r.Dir)
	}
	if err != nil {
		return nil, err
	}
	if id.Tenant == m.Tenant && id.Station == m.Station && id.Epoch > m.Journal.Epoch {
		return id, nil
	}
	err = &backup.Error{Code: backup.CodeOtherOne, Err: fmt.Errorf(
		"备份属于 %s 第 %d 期，一次性码给出 %s 第 %d 期；请在云端用 cloudd enrol-code --replace 另取一个 (make a code with --replace)",
		m.Station, m.Journal.Epoch, id.Station, id.Epoch)}
	_, errAside := setAside(r.Dir, []string{"identity.json", "keys", "station.pem", "site.pem", "root.pem"})
	return nil, errors.Join(err, errAside)
}

// fill writes the catalogue and the recovery key's public half, opens it all once as a station does,
// and journals what was done.
func (r *RestoreRequest) fill(ctx context.Context, id *enrol.Identity, m *backup.Manifest, ids []age.Identity) error {
	quiet := slog.New(slog.DiscardHandler)
	clk := clock.New(id.Enrolled, nil)
	err := ledger.Refill(ledger.Config{
		Dir: r.Dir, Self: id.Station, Tenant: id.Tenant, DataKey: id.DataKey, Clock: clk, Log: quiet,
	}, func(to *ledger.Import) error {
		_, err := backup.Fill(r.Archive, ids, to)
		return err
	})
	if err != nil {
		return err
	}
	if m.Recipient != "" {
		if err := replaceFile(filepath.Join(r.Dir, recipientFile), []byte(m.Recipient+"\n")); err != nil {
			return err
		}
	}
	l, err := openLedger(Config{Data: r.Dir}, id, clk, nil, quiet)
	if err != nil {
		return err
	}
	_, err = l.Note(ctx, ticket.FactOperatorAction, ticket.Note{
		Subject: "restore", State: "restored", Was: string(m.Kind), Value: m.MadeMs, Count: int64(m.Journal.Epoch),
	})
	return errors.Join(err, l.Close())
}

// config writes the configuration with this machine's data directory, unless there is one already.
func (r *RestoreRequest) config(ids []age.Identity) (string, error) {
	path := r.Config
	if path == "" {
		path = filepath.Join(r.Dir, "station.json")
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	text, err := backup.Config(r.Archive, ids)
	if err != nil {
		return "", err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return "", fmt.Errorf("restore: the configuration in the backup: %w", err)
	}
	if all["data"], err = filepath.Abs(r.Dir); err != nil {
		return "", err
	}
	if text, err = json.MarshalIndent(all, "", "  "); err != nil {
		return "", err
	}
	return path, replaceFile(path, append(text, '\n'))
}

// replaceFile writes durably: a new file, synced, then renamed over the old one.
func replaceFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	return err
}

// restoring reports whether a restore into the directory was not completed.
func restoring(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, markerFile))
	return err == nil
}
