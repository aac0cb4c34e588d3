package modbus

import (
	"errors"
	"fmt"
)

// Errors of an exchange in which the line works but no usable answer came. Exception is the third
// of this sort: the device answered that it will not.
var (
	// ErrTimeout is returned when no complete answer came in time. A request that writes may have
	// been carried out.
	ErrTimeout = errors.New("modbus: no answer in time")
	// ErrBadFrame is returned when what came has a wrong checksum or answers something else.
	ErrBadFrame = errors.New("modbus: bad answer")
	// ErrShort is returned by DecodeResponse when the bytes are the beginning of an answer.
	ErrShort = errors.New("modbus: frame is not complete")
	// ErrRequest is returned for a request that cannot be sent, which is a programmer's error.
	ErrRequest = errors.New("modbus: invalid request")
)

// An Exception is the code with which a device refuses a request (Modbus application protocol V1.1b3
// §7). The request was not carried out.
type Exception byte

// Exceptions.
const (
	IllegalFunction Exception = 0x01
	IllegalAddress  Exception = 0x02
	IllegalValue    Exception = 0x03
	DeviceFailure   Exception = 0x04
	Acknowledge     Exception = 0x05
	DeviceBusy      Exception = 0x06
	MemoryParity    Exception = 0x08
	GatewayPath     Exception = 0x0A
	GatewayNoAnswer Exception = 0x0B
	exceptionBit              = 0x80
	exceptionFrame            = 5 // bytes: unit, function, code, checksum
)

var exceptionNames = map[Exception]string{
	IllegalFunction: "illegal function",
	IllegalAddress:  "illegal data address",
	IllegalValue:    "illegal data value",
	DeviceFailure:   "device failure",
	Acknowledge:     "acknowledge",
	DeviceBusy:      "device busy",
	MemoryParity:    "memory parity error",
	GatewayPath:     "gateway path unavailable",
	GatewayNoAnswer: "gateway target did not answer",
}

// Error implements error.
func (e Exception) Error() string {
	name, ok := exceptionNames[e]
	if !ok {
		name = "unknown"
	}
	return fmt.Sprintf("modbus: exception %d (%s)", byte(e), name)
}

// Survivable reports whether the port still works after err, so that the next request may succeed.
func Survivable(err error) bool {
	var e Exception
	return lineError(err) || errors.As(err, &e) || errors.Is(err, ErrRequest)
}

// lineError reports whether err leaves open what the device has done.
func lineError(err error) bool { return errors.Is(err, ErrTimeout) || errors.Is(err, ErrBadFrame) }
