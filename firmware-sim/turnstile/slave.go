package turnstile

import (
	"encoding/binary"

	"yipiao/firmware-sim/rtu"
)

// Modbus function codes that the turnstile understands.
const (
	fcRead       = 0x03
	fcWriteOne   = 0x06
	fcWriteMany  = 0x10
	maxRegisters = 125
)

// A bank is what a slave reads and writes.
type bank interface {
	// load returns n registers.
	load(addr, n uint16) ([]uint16, rtu.Refusal)
	// store sets registers. wire is the frame that told it to.
	store(addr uint16, values []uint16, wire []byte) rtu.Refusal
}

// answer carries out one intact request and returns the answer, or nil where none is due.
func answer(unit byte, req []byte, b bank) []byte {
	if req[0] != unit && req[0] != 0 {
		return nil
	}
	reply, no := carryOut(req, b)
	switch {
	case req[0] == 0: // a broadcast is obeyed in silence
		return nil
	case no != 0:
		return rtu.Exception(req, no)
	}
	return rtu.Seal(append([]byte{unit, req[1]}, reply...))
}

func carryOut(req []byte, b bank) (reply []byte, no rtu.Refusal) {
	body := req[2 : len(req)-2]
	if len(body) < 4 {
		return nil, rtu.NoFunction
	}
	addr, arg := binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	switch req[1] {
	case fcRead:
		if arg == 0 || arg > maxRegisters {
			return nil, rtu.BadValue
		}
		values, no := b.load(addr, arg)
		reply = append(reply, byte(2*len(values)))
		for _, v := range values {
			reply = binary.BigEndian.AppendUint16(reply, v)
		}
		return reply, no
	case fcWriteOne:
		return body, b.store(addr, []uint16{arg}, req)
	case fcWriteMany:
		if arg == 0 || len(body) < 5 || int(body[4]) != 2*int(arg) || len(body) != 5+2*int(arg) {
			return nil, rtu.BadValue
		}
		values := make([]uint16, arg)
		for i := range values {
			values[i] = binary.BigEndian.Uint16(body[5+2*i:])
		}
		return body[:4], b.store(addr, values, req)
	}
	return nil, rtu.NoFunction
}
