// Package mrzreader is a simulated reader of machine readable zones: people lay documents on it, and it sends
// the lines as readers of four makes do.
//
// It knows how those frame lines, and was written from the makers' documents and not from the driver. It must not
// know what the lines say. Its documents are specimens of ICAO 9303, so its tape may show them.
package mrzreader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// Settings are how a reader is set up.
type Settings struct {
	Framing string `json:"framing"` // "lines" (the default), "elyctis", "rte6701" or "desko"
	Break   string `json:"break"`   // lines only: "CRLF" (the default), "CR" or "none"
}

// ErrAsleep is returned for an Elyctis reader that was not told to read.
var ErrAsleep = errors.New("mrzreader: reading is off")

// Specimen returns the lines of an invented document by name; see Specimens.
func Specimen(name string) ([]string, error) {
	switch name {
	case "td3":
		return []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}, nil
	case "td2":
		return []string{"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"}, nil
	case "td1":
		return []string{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"}, nil
	case "td1_long":
		return []string{"I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"}, nil
	case "visa":
		return []string{"V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"}, nil
	}
	return nil, fmt.Errorf("specimen %q is not one of %v", name, Specimens())
}

// Specimens lists the documents that Specimen has.
func Specimens() []string { return []string{"td3", "td2", "td1", "td1_long", "visa"} }

// A Reader is one simulated reader. It is safe for concurrent use.
type Reader struct {
	set  Settings
	rec  tape.Recorder
	turn chan struct{} // holds one token: whose turn it is to send. A mutex would stop the clock of a test

	mu    sync.Mutex // guards the fields below
	line  *board.Line
	armed bool // Elyctis: told to read the next document
	reads uint64
}

var _ board.Device = (*Reader)(nil)

// New makes a reader.
func New(s Settings, rec tape.Recorder) (*Reader, error) {
	if s.Framing == "" {
		s.Framing = "lines"
	}
	if s.Break == "" {
		s.Break = "CRLF"
	}
	if !strings.Contains(" lines elyctis rte6701 desko ", " "+s.Framing+" ") {
		return nil, fmt.Errorf("framing %q is not one of lines, elyctis, rte6701, desko", s.Framing)
	}
	if !strings.Contains(" CRLF CR none ", " "+s.Break+" ") {
		return nil, fmt.Errorf("break %q is not one of CRLF, CR, none", s.Break)
	}
	return &Reader{set: s, rec: rec, turn: make(chan struct{}, 1)}, nil
}

// Frame is what the reader sends for the lines of a document, the highest first.
func (r *Reader) Frame(lines []string) []byte {
	switch r.set.Framing {
	case "elyctis":
		text := strings.Join(lines, "\r")
		return append([]byte{0x49, byte(len(text) >> 8), byte(len(text))}, text...)
	case "rte6701":
		return rte(lines)
	case "desko":
		return append(append([]byte{0x80, 0x02}, strings.Join(lines, "\r")...), '\r', 0x03, 0x81)
	}
	end := map[string]string{"CRLF": "\r\n", "CR": "\r", "none": ""}[r.set.Break]
	return []byte(strings.Join(lines, end) + end)
}

// rte is the block of a RTE6701: always three lines, the last at the bottom, each padded to its width.
func rte(lines []string) []byte {
	width := 44
	if len(lines) == 3 {
		width = 30
	}
	text := "OU\x02 " + strings.Repeat("\r", max(0, 3-len(lines)))
	for _, l := range lines {
		text += l + strings.Repeat("_", max(0, width-len(l))) + "\r"
	}
	text += "\x03"
	block := append([]byte{byte(len(text) + 1), byte((len(text) + 1) >> 8)}, text...)
	var bcc byte
	for _, b := range block {
		bcc ^= b
	}
	return append(append([]byte{0x01}, block...), bcc)
}

// Lay lays a document on the reader: its lines go out.
func (r *Reader) Lay(ctx context.Context, lines []string) error {
	if r.set.Framing == "elyctis" {
		r.mu.Lock()
		armed := r.armed
		r.armed = false
		r.mu.Unlock()
		if !armed {
			r.rec.Add("ignored", "未开启读取 / reading is off", nil)
			return ErrAsleep
		}
	}
	r.rec.Add("laid", "放上证件 / document laid: "+strings.Join(lines, " "), nil)
	err := r.Raw(ctx, r.Frame(lines))
	if err == nil {
		r.mu.Lock()
		r.reads++
		r.mu.Unlock()
	}
	return err
}

// Raw sends bytes as they are.
func (r *Reader) Raw(ctx context.Context, wire []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	line := r.line
	r.mu.Unlock()
	if line == nil {
		return board.ErrUnplugged
	}
	r.rec.Add("sent", fmt.Sprintf("发送 %d 字节 / sent", len(wire)), wire)
	if err := r.send(line, wire); err != nil {
		return fmt.Errorf("mrzreader: %w", err)
	}
	return nil
}

func (r *Reader) send(line *board.Line, wire []byte) error {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	_, err := line.Write(wire)
	return err
}

// Serve implements board.Device. Only an Elyctis reader listens to what it is told.
func (r *Reader) Serve(ctx context.Context, line *board.Line) error {
	r.plug(line)
	defer r.plug(nil)
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	var pending []byte
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		var until time.Time
		if len(pending) > 0 {
			until = time.Now().Add(100 * time.Millisecond)
		}
		if err := line.SetReadDeadline(until); err != nil && ctx.Err() == nil {
			return fmt.Errorf("mrzreader: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, err := line.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case board.Quiet(err):
			pending = nil
		case err != nil:
			return fmt.Errorf("mrzreader: %w", err)
		}
		switch {
		case r.set.Framing == "elyctis":
			pending = r.obey(append(pending, buf[:n]...), line)
		case n > 0:
			r.rec.Add(tape.Received, "收到，不理会 / received, ignored: "+tape.Readable(buf[:n]), buf[:n])
		}
	}
	return nil
}

func (r *Reader) plug(line *board.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line, r.armed = line, false
}

// obey carries out the commands at the front of p and returns what is left.
func (r *Reader) obey(p []byte, line *board.Line) []byte {
	for {
		at := bytes.Index(p, []byte{0x43, 0x00, 0x01})
		if at < 0 || len(p) < at+4 {
			return p[max(0, len(p)-3):]
		}
		cmd := bytes.Clone(p[at : at+4])
		p = p[at+4:]
		r.mu.Lock()
		r.armed = cmd[3] == 1
		r.mu.Unlock()
		r.rec.Add("received", "连续读取开关 / continuous reading", cmd)
		r.rec.Add("sent", "确认 / acknowledged", cmd)
		_ = r.send(line, cmd) // a line that fails here fails the next Read
	}
}

// State is what a reader shows.
type State struct {
	Framing string `json:"framing"`
	Armed   bool   `json:"armed,omitempty"`
	Reads   uint64 `json:"reads"`
}

// State reports what the reader has done.
func (r *Reader) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return State{Framing: r.set.Framing, Armed: r.armed, Reads: r.reads}
}
