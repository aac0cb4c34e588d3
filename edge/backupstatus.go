package edge

import (
	"errors"
	"slices"
	"time"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/maint"
)

// BackupStatus is what programs are told of backups. Times are Unix milliseconds.
type BackupStatus struct {
	Keys     []string      `json:"keys"`              // who can open them: venue, cloud; empty: none can be made
	Running  string        `json:"running,omitempty"` // daily, manual, shutdown
	Rows     int           `json:"rows"`              // written of the one that is running
	Of       int           `json:"of"`
	Last     *BackupResult `json:"last,omitempty"` // since the start of the program
	ByHand   *BackupResult `json:"by_hand,omitempty"`
	Kept     []BackupFile  `json:"kept"`  // newest first
	StickSet bool          `json:"stick"` // a stick is configured
}

// BackupResult is how a backup ended.
type BackupResult struct {
	Kind    string `json:"kind"`
	AtMs    int64  `json:"at_ms"`
	File    string `json:"file,omitempty"`
	Bytes   int64  `json:"bytes"`
	Tickets int    `json:"tickets"`
	Facts   int    `json:"facts"` // that the cloud was not known to hold
	TookMs  int64  `json:"took_ms"`
	Code    string `json:"code,omitempty"` // why it was not made
	Message string `json:"message,omitempty"`
}

// BackupFile is a backup that is kept.
type BackupFile struct {
	Name  string `json:"name"`
	Path  string `json:"path"`
	Kind  string `json:"kind"`
	AtMs  int64  `json:"at_ms"`
	Bytes int64  `json:"bytes"`
}

// backupStatus asks no disk but for the recipient, a file of a line.
func (s *Station) backupStatus() BackupStatus {
	st := s.backup.State()
	_, who, _ := recipients(s.cfg.Data, s.id.BackupRecipient)
	out := BackupStatus{
		Keys: append([]string{}, who...), Running: string(st.Running), Rows: st.Progress.Rows, Of: st.Progress.Of,
		Kept: []BackupFile{}, StickSet: s.cfg.Backup.Stick != "",
	}
	for _, b := range st.Kept {
		out.Kept = append(out.Kept, BackupFile{b.Name, b.Path, string(b.Kind), b.At.UnixMilli(), b.Bytes})
	}
	out.Last, out.ByHand = backupResult(st.Last), backupResult(st.ByHand)
	return out
}

// backupPage is the same for the page.
func (s *Station) backupPage() *maint.Backups {
	st := s.backupStatus()
	out := &maint.Backups{
		Venue: slices.Contains(st.Keys, "venue"), Cloud: slices.Contains(st.Keys, "cloud"),
		Running: st.Running, Rows: st.Rows, Of: st.Of, Stick: st.StickSet,
	}
	switch {
	case len(st.Keys) == 0:
		out.Failed = string(backup.CodeNoRecipient)
	case st.Last != nil:
		out.Failed = st.Last.Code
	}
	for _, b := range st.Kept {
		out.Kept = append(out.Kept, maint.BackupFile{Kind: b.Kind, At: time.UnixMilli(b.AtMs), Bytes: b.Bytes})
	}
	return out
}

func backupResult(o *backup.Outcome) *BackupResult {
	if o == nil {
		return nil
	}
	r := &BackupResult{Kind: string(o.Kind), AtMs: o.At.UnixMilli(), TookMs: o.Took.Milliseconds()}
	if o.Err != nil {
		r.Code, r.Message = string(backup.CodeOf(o.Err)), saidBackup(o.Err)
		return r
	}
	r.File, r.Bytes, r.Tickets, r.Facts = o.Result.Name, o.Result.Bytes, o.Result.Counts.Tickets, o.Result.Counts.Facts
	return r
}

// saidBackup is the sentence for people.
func saidBackup(err error) string {
	var e *backup.Error
	if errors.As(err, &e) {
		return e.Say()
	}
	return err.Error()
}

// backupDesk is backups as those who have logged in ask for them.
type backupDesk struct{ s *Station }

// Ask implements lanapi.Backups.
func (d backupDesk) Ask(by string, stick bool) (code, message string) {
	if err := d.s.backup.Ask(by, stick); err != nil {
		return string(backup.CodeOf(err)), saidBackup(err)
	}
	return "", ""
}

// State implements lanapi.Backups.
func (d backupDesk) State() any { return d.s.backupStatus() }

// attendBackup adds what is wrong with backups.
func (s *Station) attendBackup(out *Status) {
	st := s.backup.State()
	code := st.Attention(s.now(), time.Since(s.started))
	if len(out.Backup.Keys) == 0 {
		code = "backup_failed:" + string(backup.CodeNoRecipient)
	}
	if code != "" {
		out.Attention = append(out.Attention, code)
		out.Ready = false
	}
}
