// Package port is the contract between a device driver and the line it talks over.
//
// A port moves bytes (or, for HID, whole reports) and knows deadlines. It knows nothing of the
// protocol on the line, of reconnection or of tickets: drivers interpret, edge/internal/devices
// reopens. Each kind of line has one package below this one.
package port

import (
	"errors"
	"io"
	"time"
)

// Errors every Port reports the same way, so that drivers and supervisors need not know the line.
var (
	// ErrGone is returned (wrapped) by Read and Write when the device was unplugged or its far
	// end vanished. The port is dead; close it and open a new one.
	ErrGone = errors.New("port: device is gone")
	// ErrBusy is returned (wrapped) by an opener when another process holds the port.
	ErrBusy = errors.New("port: in use by another process")
)

// A Port is one open, exclusively owned line to a device.
//
// One goroutine may read while another writes; neither method is otherwise safe for concurrent
// use. Close may be called from any goroutine, unblocks both, and is idempotent.
//
// Read blocks until at least one byte (HID: exactly one report) arrived, the read deadline passed
// (os.ErrDeadlineExceeded), the port was closed (os.ErrClosed) or the device is gone (ErrGone).
// A deadline is never reported as io.EOF. Write blocks until all bytes were handed to the kernel
// or its deadline passed, and then reports how many were.
type Port interface {
	io.ReadWriteCloser
	// SetReadDeadline bounds future and blocked reads; the zero time removes the bound.
	SetReadDeadline(t time.Time) error
	// SetWriteDeadline bounds future and blocked writes; the zero time removes the bound.
	SetWriteDeadline(t time.Time) error
}
