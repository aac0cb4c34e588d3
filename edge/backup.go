package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"filippo.io/age"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
)

// BackupConfig says when backups are made and where they lie.
type BackupConfig struct {
	// Folder is where backups lie, default "backup" in the data directory. Any other folder must exist:
	// one that appears by itself would hide that its disk is missing.
	Folder    string `json:"folder,omitempty"`
	Removable bool   `json:"removable,omitempty"` // Folder is on a stick: it must be another disk than the data
	Stick     string `json:"stick,omitempty"`     // folder of a mounted USB stick, for backups by hand; "" for none
	DailyAt   string `json:"daily_at,omitempty"`  // HH:MM, Asia/Shanghai, default 04:30
	// Keep is how many daily backups stay, default 7; KeepManual how many of all others, default 3.
	Keep       int   `json:"keep,omitempty"`
	KeepManual int   `json:"keep_manual,omitempty"`
	AtShutdown *bool `json:"at_shutdown,omitempty"` // default true

	dailyAt time.Duration
}

// shutdownLimit bounds a backup at a stop: a machine that is being switched off does not wait for ever.
const shutdownLimit = 20 * time.Second

// recipientFile is the public half of the venue's recovery key, in the data directory.
const recipientFile = "recovery.pub"

// validate fills in defaults.
func (b *BackupConfig) validate(data string, bad func(field, want string)) {
	if b.DailyAt == "" {
		b.DailyAt = "04:30"
	}
	at, err := time.Parse("15:04", b.DailyAt)
	if err != nil {
		bad("backup.daily_at", "时:分，如 04:30 (HH:MM)")
	}
	b.dailyAt = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	if b.Keep == 0 {
		b.Keep = 7
	}
	if b.KeepManual == 0 {
		b.KeepManual = 3
	}
	if b.Keep < 2 || b.Keep > 366 { // AMB-16: more than one day
		bad("backup.keep", "2–366")
	}
	if b.KeepManual < 1 || b.KeepManual > 100 {
		bad("backup.keep_manual", "1–100")
	}
	if b.Folder == "" {
		b.Folder = filepath.Join(data, "backup")
	}
	if b.AtShutdown == nil {
		yes := true
		b.AtShutdown = &yes
	}
}

func (s *Station) assembleBackup() error {
	b := &s.cfg.Backup
	own := b.Folder == filepath.Join(s.cfg.Data, "backup")
	s.backup = backup.NewKeeper(backup.KeeperConfig{
		Source: s.ledger, About: s.aboutBackup, Recipients: func() ([]age.Recipient, error) {
			to, _, err := recipients(s.cfg.Data, s.id.BackupRecipient)
			return to, err
		},
		Folder: backup.Folder{Path: b.Folder, Own: own, Removable: b.Removable, Data: s.cfg.Data},
		Stick:  backup.Folder{Path: b.Stick, Removable: true, Data: s.cfg.Data},
		Keep:   backup.Keep{Daily: b.Keep, Others: b.KeepManual}, DailyAt: b.dailyAt,
		Now: s.now, Log: s.log, Ended: s.backupEnded,
		Changed: func() {
			if s.web != nil {
				s.web.changed(maint.EventBackup)
			}
		},
	})
	return nil
}

// recipients are the venue's key and the cloud's, and which of them there are. Without the venue's there
// is no backup: the cloud's alone would leave the venue at its mercy.
func recipients(data, cloud string) (to []age.Recipient, who []string, err error) {
	text, err := os.ReadFile(filepath.Join(data, recipientFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &backup.Error{Code: backup.CodeNoRecipient}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", recipientFile, err)
	}
	r, err := backup.ParseRecipient(string(text))
	if err != nil {
		return nil, nil, err
	}
	to, who = append(to, r), append(who, "venue")
	if cloud != "" {
		if r, err = backup.ParseRecipient(cloud); err != nil {
			return nil, nil, err
		}
		to, who = append(to, r), append(who, "cloud")
	}
	return to, who, nil
}

func (s *Station) aboutBackup() backup.About {
	text := s.cfg.text
	if text == nil { // assembled by a program: what a file would say
		text, _ = json.Marshal(&s.cfg) // plain data
	}
	recipient, _ := Recipient(s.cfg.Data) // a missing one ends the backup before this counts
	return backup.About{
		Recipient: recipient,
		Tenant:    s.id.Tenant, Station: s.id.Station, Venue: s.id.Venue, Cloud: s.id.Cloud, Program: program(), Config: text,
		Tickets: s.ledger.Stats().Tickets,
	}
}

// program is the version of this program as far as the build has recorded it.
func program() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			version += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return strings.TrimSpace(version)
}

// backupEnded journals that a backup was made (Was is its kind), or was not (Was is the code).
func (s *Station) backupEnded(o backup.Outcome) {
	n := ticket.Note{Subject: "backup", State: "backup_made", Was: string(o.Kind), Text: o.By}
	n.Count, n.Value = int64(o.Result.Counts.Tickets), o.Result.Bytes
	if o.Err != nil {
		n.State, n.Was = "backup_failed", string(backup.CodeOf(o.Err))
	}
	s.note(ticket.FactOperatorAction, n)
}

// shutdownBackup is made when lanes and pages have ended: nothing changes any more.
func (s *Station) shutdownBackup() {
	if !*s.cfg.Backup.AtShutdown {
		return
	}
	if _, _, err := recipients(s.cfg.Data, s.id.BackupRecipient); err != nil {
		s.log.Warn("no backup at shutdown", "error", err)
		return
	}
	s.log.Info("backup at shutdown", "limit", shutdownLimit.String())
	ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	_, _ = s.backup.Make(ctx, backup.Shutdown, "") // logged and journalled by the keeper
}
