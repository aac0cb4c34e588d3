package sample

import (
	"bufio"
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

// openWallet opens the file. Lines of tickets that the cloud does not know under that credential are
// left over from an interrupted run, or from another cloud; they are removed. It returns how many were,
// and how many tickets of the cloud are in no line.
func openWallet(path string, known map[ticket.TicketID]ticket.Hash) (w *wallet, removed, missing int, err error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, 0, fmt.Errorf("read wallet: %w", err)
	}
	var kept bytes.Buffer
	found := make(map[ticket.TicketID]bool)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var c Card
		good := json.Unmarshal(lines.Bytes(), &c) == nil && !found[c.Ticket]
		if hash, ok := known[c.Ticket]; !good || !ok || hash != ticket.PayloadHash(c.Code) {
			removed++
			continue
		}
		found[c.Ticket] = true
		kept.Write(lines.Bytes())
		kept.WriteByte('\n')
	}
	if err := lines.Err(); err != nil {
		return nil, 0, 0, fmt.Errorf("read wallet: %w", err)
	}
	if err := replace(path, kept.Bytes()); err != nil {
		return nil, 0, 0, err
	}
	return &wallet{path: path, size: int64(kept.Len())}, removed, len(known) - len(found), nil
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
