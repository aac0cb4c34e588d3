package backup

import (
	"encoding/json"

	"filippo.io/age"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Fill brings the rows of a backup onto a new machine: what is shown, and who may log in or ask. It may
// be repeated. Nothing that is put can be exercised: the old machine may have used every right since,
// so custody comes from the cloud only (sync.md section 8).
func Fill(path string, ids []age.Identity, to Target) (Counts, error) {
	_, counts, err := Visit(path, Visitor{
		Session: to.PutSession,
		Group:   to.PutGroup,
		Key:     to.PutKey,
		Local:   func(key string, v json.RawMessage) error { return to.PutLocal(key, v) },
		Ticket: func(t *ticket.Ticket, h ticket.Held) error {
			relinquish(t, &h)
			return to.PutTicket(t, h)
		},
	}, ids...)
	return counts, err
}

// relinquish makes a ticket one whose right was seen and is not here.
func relinquish(t *ticket.Ticket, h *ticket.Held) {
	h.Gen = max(h.Gen, t.Entry.Gen)
	h.Holds, h.Recalling, h.Passage = false, false, ticket.PassageNone
	t.Entry.Custody, t.Entry.Gen = ticket.CustodyCloud, h.Gen
}

// Pending shows the facts that the cloud was not known to hold when the backup was made, in order, as
// batches of the old machine's journal epoch.
func Pending(path string, ids []age.Identity, use func(*wire.Batch) error) error {
	_, _, err := Visit(path, Visitor{Facts: use}, ids...)
	return err
}

// Config returns the configuration file in a backup.
func Config(path string, ids []age.Identity) ([]byte, error) {
	var out []byte
	_, _, err := Visit(path, Visitor{Config: func(text []byte) error {
		out = text
		return nil
	}}, ids...)
	return out, err
}
