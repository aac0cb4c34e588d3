package turnstile

import "encoding/binary"

// Modbus function codes that the turnstile understands, and its refusals.
const (
	fcRead       = 0x03
	fcWriteOne   = 0x06
	fcWriteMany  = 0x10
	refused      = 0x80
	maxRegisters = 125

	noFunction = 1
	noAddress  = 2
	badValue   = 3
	cannot     = 4
)

// A refusal is a Modbus exception code; 0 is none.
type refusal byte

// A bank is what a slave reads and writes.
type bank interface {
	// load returns n registers.
	load(addr, n uint16) ([]uint16, refusal)
	// store sets registers. wire is the frame that told it to.
	store(addr uint16, values []uint16, wire []byte) refusal
}

// crc16 is computed bit by bit, as the manual's flow chart has it.
func crc16(p []byte) uint16 {
	reg := uint16(0xFFFF)
	for _, b := range p {
		reg ^= uint16(b)
		for bit := 0; bit < 8; bit++ {
			if reg&0x0001 == 0 {
				reg >>= 1
				continue
			}
			reg = reg>>1 ^ 0xA001
		}
	}
	return reg
}

func sealed(p []byte) []byte {
	return binary.LittleEndian.AppendUint16(p, crc16(p))
}

func intact(p []byte) bool {
	n := len(p) - 2
	return n >= 2 && binary.LittleEndian.Uint16(p[n:]) == crc16(p[:n])
}

// requestLength says how long the request at the front of p is: 0 while that is not known, and all
// of p for a function which is not known, whose end only silence shows.
func requestLength(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	switch p[1] {
	case fcRead, fcWriteOne:
		return 8
	case fcWriteMany:
		if len(p) < 7 {
			return 0
		}
		return 9 + int(p[6])
	}
	return 0
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
		return sealed([]byte{unit, req[1] | refused, byte(no)})
	}
	return sealed(append([]byte{unit, req[1]}, reply...))
}

func carryOut(req []byte, b bank) (reply []byte, no refusal) {
	body := req[2 : len(req)-2]
	if len(body) < 4 {
		return nil, noFunction
	}
	addr, arg := binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	switch req[1] {
	case fcRead:
		if arg == 0 || arg > maxRegisters {
			return nil, badValue
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
			return nil, badValue
		}
		values := make([]uint16, arg)
		for i := range values {
			values[i] = binary.BigEndian.Uint16(body[5+2*i:])
		}
		return body[:4], b.store(addr, values, req)
	}
	return nil, noFunction
}
