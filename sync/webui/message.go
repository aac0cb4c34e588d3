package webui

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// A Message is the data of one server-sent event.
type Message struct {
	Seq     uint64  `json:"seq"`     // counts the messages of this stream, from 1
	TimeMs  int64   `json:"time"`    // the server's clock, Unix milliseconds
	Version string  `json:"version"` // of the page's assets
	Events  []Event `json:"events,omitempty"`
	Parts   []Part  `json:"parts,omitempty"`
}

// send writes what has changed. Without a change it writes only when the stream has been quiet, so
// that the page knows that it still hears the server.
func (b *Bus) send(w *bufio.Writer, v *viewer, of Viewing, quiet bool) error {
	events := b.take(v)
	parts, err := of.Parts()
	if err != nil {
		return fmt.Errorf("live stream: %w", err)
	}
	changed := parts[:0:0]
	for _, p := range parts {
		if v.sent[p.ID] != p {
			v.sent[p.ID] = p
			changed = append(changed, p)
		}
	}
	if len(changed) == 0 && !quiet {
		return nil
	}
	v.seq++
	slices.Sort(events)
	of.Extend()
	return write(w, &Message{v.seq, of.Now().UnixMilli(), b.version, events, changed})
}

// write sends one message: a comment for proxies and people, then the event.
func write(w *bufio.Writer, m *Message) error {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return fmt.Errorf("live stream: %w", err)
	}
	name := "patch"
	if len(m.Parts) == 0 {
		name = "clock"
	}
	// The encoder has ended the data with a line feed; a second one ends the event.
	if _, err := fmt.Fprintf(w, ": %d\nid: %d\nevent: %s\ndata: %s\n", m.Seq, m.Seq, name, data.Bytes()); err != nil {
		return fmt.Errorf("live stream: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("live stream: %w", err)
	}
	return nil
}
