package drivers

import "errors"

// Errors a capability method returns and a caller branches on.
var (
	// ErrNotRunning is returned when the device has no open port at the moment.
	ErrNotRunning = errors.New("drivers: device is not running")
	// ErrNoAnswer is returned when the device did not answer in time; nothing is known to have happened.
	ErrNoAnswer = errors.New("drivers: device did not answer")
	// ErrRefused is returned when the device answered that it will not.
	ErrRefused = errors.New("drivers: device refused")
	// ErrPermitOpen is returned by Release while an earlier permit of the gate is still open.
	ErrPermitOpen = errors.New("drivers: an earlier permit is still open")
)
