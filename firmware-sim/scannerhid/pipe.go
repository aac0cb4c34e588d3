package scannerhid

import (
	"sync"
	"time"

	"yipiao/firmware-sim/board"
)

// maxReport is the size of the interrupt endpoints.
const maxReport = 64

// A ReportEnd is one end of a USB cable as HID sees it: each Read returns exactly one report, whatever is
// written is cut into reports, and an end that is not read loses nothing.
type ReportEnd struct {
	pipe *board.PipeEnd

	reading sync.Mutex // guards the field below
	rest    []byte     // of a record which has not arrived whole
}

var _ board.Conn = (*ReportEnd)(nil)

// Pipe makes a cable. After the device's end has closed, the host's calls return gone.
func Pipe(gone error) (host, device *ReportEnd) {
	h, d := board.Pipe(gone)
	return &ReportEnd{pipe: h}, &ReportEnd{pipe: d}
}

// Read blocks for one report. What does not fit into p is lost, as with a real device.
func (e *ReportEnd) Read(p []byte) (int, error) {
	e.reading.Lock()
	defer e.reading.Unlock()
	buf := make([]byte, 1)
	for {
		if len(e.rest) > 0 && len(e.rest) == 1+int(e.rest[0]) {
			n := copy(p, e.rest[1:])
			e.rest = nil
			return n, nil
		}
		n, err := e.pipe.Read(buf)
		if err != nil {
			return 0, err
		}
		e.rest = append(e.rest, buf[:n]...)
	}
}

// Write sends p as one report, or as several where it is longer than one.
func (e *ReportEnd) Write(p []byte) (int, error) {
	var records []byte
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxReport)
		records = append(append(records, byte(n)), rest[:n]...)
		rest = rest[n:]
	}
	if _, err := e.pipe.Write(records); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close pulls the cable.
func (e *ReportEnd) Close() error { return e.pipe.Close() }

// SetReadDeadline bounds blocked and future reads.
func (e *ReportEnd) SetReadDeadline(t time.Time) error { return e.pipe.SetReadDeadline(t) }

// SetWriteDeadline bounds blocked and future writes.
func (e *ReportEnd) SetWriteDeadline(t time.Time) error { return e.pipe.SetWriteDeadline(t) }
