package bridgeport

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"yipiao/drivers/port"
)

// Protocol is the name of this wire format in the TLS handshake (ALPN); docs/protocols/bridge.md describes it.
const Protocol = "yipiao-bridge/1"

// Bounds of the wire format. Both ends must have the same.
const (
	maxPayload = 16 << 10        // bytes of one frame behind its head
	window     = 64 << 10        // bytes that may be under way in one direction before the far end has taken them
	chunk      = 4 << 10         // bytes of a stream that go into one frame
	beat       = time.Second     // each end says at least so often that it is there
	silence    = 4 * time.Second // an end that has said nothing for so long is gone
	headSize   = 3               // kind, and the length of the payload in two bytes, big-endian
	numberSize = 4               // of a count and of the number of a write, big-endian
)

// Kinds of frames.
const (
	kindOpen    byte = 1  // station: an openRequest, JSON; the first frame
	kindAnswer  byte = 2  // bridge: a trouble, JSON, code ok for an open port; the first frame
	kindData    byte = 3  // bridge: bytes that the port has read; exactly one report of a HID port
	kindWrite   byte = 4  // station: number of the write, then bytes of it; exactly one report of a HID port
	kindWritten byte = 5  // bridge: number of the write, bytes of it written by now, then a trouble if it has ended early
	kindStop    byte = 6  // station: number of a write that is to end now; answered by kindWritten with code stopped
	kindTaken   byte = 7  // station: how many more bytes of kindData have been read
	kindAlive   byte = 8  // both: still there; with the payload of a kindAsk that it answers
	kindAsk     byte = 9  // bridge: the number of a question, which kindAlive answers at once
	kindEnd     byte = 10 // bridge: a trouble, JSON: why the port has ended; the last frame
	kindRequest byte = 11 // bridge: a certificate signing request (DER), because its certificate ends soon
	kindChain   byte = 12 // station: the new certificate and those above it (PEM)
)

// Codes of a trouble. They are stable.
const (
	codeOK         = "ok"
	codeUnknown    = "unknown_port"
	codeLine       = "wrong_line"
	codeBusy       = "busy"
	codeNotPlugged = "not_plugged_in"
	codePermission = "no_permission"
	codeGone       = "gone"
	codeUnusable   = "unusable"
	codeStopped    = "stopped"
	codeFailed     = "failed"
)

// An openRequest names a port and the type of line that the station's driver speaks over.
type openRequest struct {
	Name string `json:"name"`
	Line string `json:"line"`
}

// A trouble is why something did not work. Text is for people, English, without personal data.
type trouble struct {
	Code string `json:"code"`
	Text string `json:"text,omitempty"`
}

// ErrUnknownPort is what a bridge refuses a name with that its configuration does not have.
var ErrUnknownPort = errors.New("bridge: no such port is offered")

// A LineError is what a bridge refuses a type of line with that its port is not.
type LineError struct{ Have string }

// Error implements error.
func (e *LineError) Error() string { return "bridge: the port is " + e.Have }

// troubleOf puts the error of a local port on the wire.
func troubleOf(err error) trouble {
	var line *LineError
	var config *port.ConfigError
	switch {
	case errors.Is(err, ErrUnknownPort):
		return trouble{Code: codeUnknown}
	case errors.As(err, &line):
		return trouble{codeLine, line.Have}
	case errors.Is(err, port.ErrBusy):
		return trouble{Code: codeBusy}
	case errors.Is(err, fs.ErrNotExist):
		return trouble{Code: codeNotPlugged}
	case errors.Is(err, fs.ErrPermission):
		return trouble{Code: codePermission}
	case errors.Is(err, port.ErrGone):
		return trouble{Code: codeGone}
	case errors.As(err, &config):
		return trouble{codeUnusable, config.Error()}
	}
	return trouble{codeFailed, err.Error()}
}

// error is what a local port would have said.
func (t trouble) error(c Config) error {
	switch t.Code {
	case codeUnknown:
		return &port.ConfigError{Field: "name", Got: c.Name, Want: "a port that the bridge offers"}
	case codeLine:
		return &port.ConfigError{Field: "line", Got: c.Speaks(), Want: t.Text + ", which that port of the bridge is"}
	case codeUnusable:
		return &port.ConfigError{Field: "name", Got: c.Name, Want: "a port that the bridge can open: " + t.Text}
	case codeBusy:
		return port.ErrBusy
	case codeNotPlugged:
		return fs.ErrNotExist
	case codePermission:
		return fs.ErrPermission
	case codeGone:
		return port.ErrGone
	}
	return fmt.Errorf("at the bridge: %s", t.Text)
}

// frame puts a payload, in pieces, behind a head. It panics where it is too long, which no caller lets happen.
func frame(kind byte, pieces ...[]byte) []byte {
	f := []byte{kind, 0, 0}
	for _, p := range pieces {
		f = append(f, p...)
	}
	if len(f)-headSize > maxPayload {
		panic("bridgeport: frame too long")
	}
	binary.BigEndian.PutUint16(f[1:], uint16(len(f)-headSize))
	return f
}

// number is a count or the number of a write as it stands in a frame.
func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// message is a frame with JSON. A text that is too long is cut.
func message(kind byte, v any) []byte {
	if t, ok := v.(trouble); ok && len(t.Text) > 400 {
		t.Text = t.Text[:400]
		v = t
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic("bridgeport: " + err.Error()) // strings only
	}
	return frame(kind, raw)
}

var errFrame = errors.New("bridge: not a frame of " + Protocol)

// readFrame reads one frame. The payload is the caller's.
func readFrame(r io.Reader) (kind byte, payload []byte, err error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if n > maxPayload {
		return 0, nil, errFrame
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	return head[0], payload, nil
}

// split takes a number off a payload.
func split(payload []byte) (n uint32, rest []byte, err error) {
	if len(payload) < numberSize {
		return 0, nil, errFrame
	}
	return binary.BigEndian.Uint32(payload), payload[numberSize:], nil
}
