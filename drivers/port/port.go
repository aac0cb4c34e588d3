// Package port is the contract between a device driver and the line it talks over.
//
// A port moves bytes (or, for HID, whole reports) and knows deadlines. It knows nothing of the
// protocol on the line, of reconnection or of tickets: drivers interpret, edge/internal/devices
// reopens. Each kind of line has one package below this one.
package port

import (
	"context"
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

// Turns is implemented by a port that is one of several views of one line, such as an RS-485 bus with
// several devices. A driver that may share a line (drivers.Kind.Bus) takes a turn before it writes and
// gives it back when the answer is complete, has not come in time, or is not expected; between turns it
// neither writes nor reads. A port without it is the driver's alone.
type Turns interface {
	// Turn waits until the line is this device's, or ctx ends, or the line is gone (ErrGone). Urgent turns
	// (a permit) come before all others, otherwise who has waited longest comes first. done gives the line
	// back; calling it again does nothing.
	Turn(ctx context.Context, urgent bool) (done func(), err error)
}
