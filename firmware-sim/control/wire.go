// Package control steers a bench of simulated devices from another process: HTTP and JSON over a unix
// socket, with a server and a client.
//
// It knows the operations and their wire form, which its README lists. It must not know stations or drivers.
package control

import (
	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/tape"
)

// Bodies of requests and answers.
type (
	devicesReply struct {
		Devices []bench.Device `json:"devices"`
	}
	eventsReply struct {
		Events []tape.Event `json:"events"`
		Last   uint64       `json:"last"` // what to ask for next as since
	}
	actsReply struct {
		Acts []bench.Act `json:"acts"`
	}
	scanRequest struct {
		Text string `json:"text"`
	}
	rawRequest struct {
		Hex string `json:"hex"`
	}
	visitorRequest struct {
		Mode   string `json:"mode"`
		WalkMs int    `json:"walk_ms,omitempty"` // 0 leaves it as it is
	}
	directionRequest struct {
		Direction string `json:"direction"` // "entry" (or "") or "exit"
	}
	switchRequest struct {
		On bool `json:"on"`
	}
	faultRequest struct {
		Bits uint16 `json:"bits"`
	}
	delayRequest struct {
		Ms int `json:"ms"`
	}
	errorReply struct {
		Error string `json:"error"`
	}
)
