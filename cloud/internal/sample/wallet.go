package sample

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"yipiao/sync/ticket"
)

// A Card is a sold ticket in its buyer's wallet. The cloud itself keeps no credential, only its hash.
type Card struct {
	Ticket  ticket.TicketID  `json:"ticket"`
	Session ticket.SessionID `json:"session"`
	Seat    string           `json:"seat"`
	Code    string           `json:"code"` // the credential, as the QR code says it
}

// A wallet is the file with the buyers' tickets, one JSON line each, for its owner's eyes only.
type wallet struct {
	path string
	size int64
}

// A state is what openWallet has found.
type state struct {
	removed int // lines of tickets that the cloud does not know under that credential
	missing int // tickets of the cloud that are in no line
}

// openWallet opens the file. Lines of tickets that the cloud does not know are left over from an
// interrupted run, or from another cloud; they are removed.
func openWallet(path string, known map[ticket.TicketID]ticket.Hash) (*wallet, state, error) {
	var st state
	text, err := os.ReadFile(path)
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		return nil, st, fmt.Errorf("read wallet: %w", err)
	}
	var kept bytes.Buffer
	found := make(map[ticket.TicketID]bool)
	for line := range bytes.Lines(text) {
		var c Card
		good := json.Unmarshal(line, &c) == nil && line[len(line)-1] == '\n' && !found[c.Ticket]
		if hash, ok := known[c.Ticket]; !good || !ok || hash != ticket.PayloadHash(c.Code) {
			st.removed++
			continue
		}
		found[c.Ticket] = true
		kept.Write(line)
	}
	st.missing = len(known) - len(found)
	if absent || st.removed > 0 {
		err = replace(path, kept.Bytes())
	} else if err = os.Chmod(path, 0o600); err != nil {
		err = fmt.Errorf("open wallet: %w", err)
	}
	return &wallet{path: path, size: int64(kept.Len())}, st, err
}

// replace writes a file so that it is whole, or as it was.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".wallet-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write wallet: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write wallet: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// add appends cards durably, before their tickets are sold: a ticket without its card would be lost,
// a card without its ticket is removed at the next run. drop undoes it.
func (w *wallet) add(cards []Card) (drop func() error, err error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	for i := range cards {
		if err := enc.Encode(&cards[i]); err != nil {
			return nil, fmt.Errorf("write wallet: %w", err)
		}
	}
	f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write wallet: %w", err)
	}
	_, err = f.Write(text.Bytes())
	if err == nil {
		err = f.Sync()
	}
	before := w.size
	drop = func() error {
		w.size = before
		return os.Truncate(w.path, before)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("write wallet: %w", err), drop())
	}
	w.size += int64(text.Len())
	return drop, nil
}
