package tape

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kinds of events that are messages on a wire. Everything else is something that happened.
const (
	Received = "received" // by the device
	Sent     = "sent"     // by the device
)

// A Screen writes events for people: time, device, what it means, and the bytes beside it. It is not safe for
// concurrent use.
type Screen struct {
	W     io.Writer
	Bytes int  // how many bytes of a message are shown; 0 is all
	All   bool // show polling too: else a message that repeats what was shown is counted and not shown

	seen     map[string]map[string]bool // by device: messages since the last thing that was new
	repeated map[string]int
}

// Show writes events. A failed write ends it.
func (s *Screen) Show(events ...Event) error {
	for _, e := range events {
		if !s.All && s.repeats(e) {
			continue
		}
		if n := s.repeated[e.Device]; n > 0 {
			s.repeated[e.Device] = 0
			if _, err := fmt.Fprintf(s.W, "%s  %-12s  （重复 %d 条 / %d repeated）\n", clock(e), e.Device, n, n); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(s.W, s.line(e)); err != nil {
			return err
		}
	}
	return nil
}

// repeats reports whether a message was shown since the device's last event that was new, and counts it.
func (s *Screen) repeats(e Event) bool {
	key := e.Kind + e.Text + e.Hex
	message := e.Kind == Received || e.Kind == Sent
	if message && s.seen[e.Device][key] {
		s.repeated[e.Device]++
		return true
	}
	if s.seen == nil {
		s.seen, s.repeated = make(map[string]map[string]bool), make(map[string]int)
	}
	if s.seen[e.Device] == nil || !message || len(s.seen[e.Device]) > 100 || s.repeated[e.Device] > 0 {
		s.seen[e.Device] = make(map[string]bool)
	}
	s.seen[e.Device][key] = message
	return false
}

func clock(e Event) string { return e.Time.Format("15:04:05.000") }

func (s *Screen) line(e Event) string {
	arrow := map[string]string{Received: "→", Sent: "←"}[e.Kind]
	if arrow == "" {
		arrow = "·"
	}
	line := fmt.Sprintf("%s  %-12s %s %s", clock(e), e.Device, arrow, e.Text)
	wire, err := hex.DecodeString(e.Hex)
	if err != nil || len(wire) == 0 {
		return line
	}
	more := ""
	if s.Bytes > 0 && len(wire) > s.Bytes {
		more = fmt.Sprintf(" … (%d)", len(wire))
		wire = wire[:s.Bytes]
	}
	return fmt.Sprintf("%s  | % x%s", line, wire, more)
}

// controls are what control characters are called.
var controls = strings.Fields("NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI " +
	"DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US")

// Readable writes bytes as text, with the names of control characters and the numbers of bytes which are no text:
// "ESC @" comes out as "<ESC>@".
func Readable(p []byte) string {
	var b strings.Builder
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case p[0] < 0x20:
			fmt.Fprintf(&b, "<%s>", controls[p[0]])
		case r == utf8.RuneError || !unicode.IsPrint(r):
			fmt.Fprintf(&b, "<%02X>", p[0])
			n = 1
		default:
			b.WriteRune(r)
		}
		p = p[n:]
	}
	return b.String()
}
