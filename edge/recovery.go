package edge

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/enrol"
)

// A RecoveryKey opens the backups of a station. Private is shown once and kept by the venue; the station
// keeps the recipient.
type RecoveryKey struct {
	Private   string // AGE-SECRET-KEY-1…
	Recipient string // age1…
}

// NewRecoveryKey makes a key. Show it first, then store its recipient with SetRecipient: a key that
// nobody has seen opens nothing.
func NewRecoveryKey() (RecoveryKey, error) {
	private, recipient, err := backup.NewKey()
	return RecoveryKey{private, recipient}, err
}

// Lines is the private key in groups of four characters; the two characters behind # in each line show
// a mistake in copying it.
func (k RecoveryKey) Lines() string { return backup.Lines(k.Private) }

// QR is the private key as a QR code for a terminal.
func (k RecoveryKey) QR() (string, error) { return backup.QR(k.Private) }

// Recipient returns the recipient of a data directory's recovery key, "" for none.
func Recipient(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, recipientFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// SetRecipient stores a recipient (age1…) for all backups from now on, also of a running station.
func SetRecipient(dir, recipient string) error {
	if _, err := backup.ParseRecipient(recipient); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, recipientFile), []byte(strings.TrimSpace(recipient)+"\n"))
}

// Resealed says what became of the kept backups when the recovery key was replaced.
type Resealed struct {
	Done []string // encrypted anew
	Left []string // need a key that is not at hand
}

// Reseal encrypts the backups in the folder of a station's configuration for its present keys. Without
// the old key (nil) nothing can be done, and all are left.
func Reseal(cfg Config, old io.Reader) (Resealed, error) {
	var out Resealed
	if err := cfg.Validate(); err != nil {
		return out, err
	}
	id, err := enrol.Load(cfg.Data)
	if err != nil {
		return out, err
	}
	kept, err := backup.Folder{Path: cfg.Backup.Folder}.List(id.Station)
	if err != nil {
		return out, err
	}
	var ids []age.Identity
	if old != nil {
		if ids, err = backup.ParseKey(old); err != nil {
			return out, err
		}
	}
	to, _, err := recipients(cfg.Data, id.BackupRecipient)
	if err != nil {
		return out, err
	}
	for _, b := range kept {
		switch err := resealOne(b.Path, ids, to); {
		case err == nil:
			out.Done = append(out.Done, b.Path)
		case backup.CodeOf(err) == backup.CodeWrongKey, backup.CodeOf(err) == backup.CodeDamaged:
			out.Left = append(out.Left, b.Path)
		default:
			return out, fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	return out, nil
}

func resealOne(path string, ids []age.Identity, to []age.Recipient) error {
	if len(ids) == 0 {
		return &backup.Error{Code: backup.CodeWrongKey}
	}
	return backup.Reseal(path, ids, to)
}
