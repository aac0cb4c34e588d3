package modbus

import (
	"encoding/binary"
	"fmt"
)

// A Function is a Modbus function code.
type Function byte

// Function codes, Modbus application protocol V1.1b3 §6.
const (
	ReadCoils            Function = 1
	ReadDiscreteInputs   Function = 2
	ReadHoldingRegisters Function = 3
	ReadInputRegisters   Function = 4
	WriteSingleCoil      Function = 5
	WriteSingleRegister  Function = 6
	WriteCoils           Function = 15
	WriteRegisters       Function = 16
)

// Quantity limits, §6.1 to §6.12.
const (
	maxReadBits  = 2000
	maxReadRegs  = 125
	maxWriteBits = 1968
	maxWriteRegs = 123
	coilOn       = 0xFF00
)

// A Request is what the master asks.
type Request struct {
	Unit   byte // 1 to 247; 248 to 255 are reserved, but some boards ship with 255
	Func   Function
	Addr   uint16   // first coil, input or register
	Count  uint16   // how many a read asks for
	Values []uint16 // registers to write; or of a WriteSingleCoil without Bits a maker's own value, such as a time
	Bits   []bool   // coils to write
	// Repeatable says that carrying the request out twice is the same as once, so that it may be
	// repeated after a lost answer. Reads always are; a permit, a toggle or a pulse is not.
	Repeatable bool
	// Urgent says that somebody waits at a gate for it: on a line shared with others it comes before their polls.
	Urgent bool
	// Still, where set, is asked once the line is free, before anything is sent; its error becomes that of Do.
	Still func() error
}

// A Response is what the device answers. For writes, Addr and Count (and Values or Bits of a single
// write) are the device's echo.
type Response struct {
	Unit      byte
	Func      Function
	Addr      uint16
	Count     uint16
	Values    []uint16
	Bits      []bool // of a read: exactly Count as asked
	Exception Exception
}

// Reads reports whether the request changes nothing.
func (r Request) Reads() bool { return r.Func >= ReadCoils && r.Func <= ReadInputRegisters }

func (r Request) bits() bool {
	return r.Func == ReadCoils || r.Func == ReadDiscreteInputs || r.Func == WriteSingleCoil || r.Func == WriteCoils
}

// own reports whether a single coil is written with a maker's own value.
func (r Request) own() bool {
	return r.Func == WriteSingleCoil && len(r.Bits) == 0 && len(r.Values) > 0
}

// single is the value of a single write.
func (r Request) single() uint16 {
	if r.Func == WriteSingleCoil && !r.own() {
		return coil(r.Bits[0])
	}
	return r.Values[0]
}

// quantity is how many coils or registers the request concerns.
func (r Request) quantity() int {
	switch {
	case r.Reads():
		return int(r.Count)
	case r.bits() && !r.own():
		return len(r.Bits)
	}
	return len(r.Values)
}

func (r Request) limit() int {
	switch r.Func {
	case ReadCoils, ReadDiscreteInputs:
		return maxReadBits
	case ReadHoldingRegisters, ReadInputRegisters:
		return maxReadRegs
	case WriteSingleCoil, WriteSingleRegister:
		return 1
	case WriteCoils:
		return maxWriteBits
	case WriteRegisters:
		return maxWriteRegs
	}
	return 0
}

// Validate reports what makes the request impossible to send. Broadcasts (unit 0) are not offered:
// nothing acknowledges them.
func (r Request) Validate() error {
	n := r.quantity()
	switch {
	case r.Unit == 0:
		return fmt.Errorf("%w: unit 0, want 1 to 255", ErrRequest)
	case r.limit() == 0:
		return fmt.Errorf("%w: function %d is not supported", ErrRequest, r.Func)
	case n < 1 || n > r.limit():
		return fmt.Errorf("%w: quantity %d, want 1 to %d", ErrRequest, n, r.limit())
	case int(r.Addr)+n > 0x10000:
		return fmt.Errorf("%w: %d from address %#04x leaves the address space", ErrRequest, n, r.Addr)
	}
	return nil
}

// AppendRequest adds the request's frame to dst, checksum included.
func AppendRequest(dst []byte, r Request) ([]byte, error) {
	if err := r.Validate(); err != nil {
		return dst, err
	}
	from := len(dst)
	dst = append(dst, r.Unit, byte(r.Func))
	dst = binary.BigEndian.AppendUint16(dst, r.Addr)
	switch r.Func {
	case WriteSingleCoil, WriteSingleRegister:
		dst = binary.BigEndian.AppendUint16(dst, r.single())
	case WriteCoils:
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.Bits)))
		dst = append(dst, byte((len(r.Bits)+7)/8))
		dst = appendBits(dst, r.Bits)
	case WriteRegisters:
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.Values)))
		dst = append(dst, byte(2*len(r.Values)))
		dst = appendWords(dst, r.Values)
	default:
		dst = binary.BigEndian.AppendUint16(dst, r.Count)
	}
	return appendCRC(dst, from), nil
}

// AppendResponse adds the frame of a device's answer to dst, checksum included.
func AppendResponse(dst []byte, r Response) []byte {
	from := len(dst)
	if r.Exception != 0 {
		return appendCRC(append(dst, r.Unit, byte(r.Func)|exceptionBit, byte(r.Exception)), from)
	}
	dst = append(dst, r.Unit, byte(r.Func))
	switch r.Func {
	case ReadCoils, ReadDiscreteInputs:
		dst = append(dst, byte((len(r.Bits)+7)/8))
		dst = appendBits(dst, r.Bits)
	case ReadHoldingRegisters, ReadInputRegisters:
		dst = append(dst, byte(2*len(r.Values)))
		dst = appendWords(dst, r.Values)
	case WriteSingleCoil:
		dst = binary.BigEndian.AppendUint16(dst, r.Addr)
		dst = binary.BigEndian.AppendUint16(dst, coil(len(r.Bits) > 0 && r.Bits[0]))
	case WriteSingleRegister:
		dst = binary.BigEndian.AppendUint16(dst, r.Addr)
		dst = appendWords(dst, r.Values)
	default:
		dst = binary.BigEndian.AppendUint16(dst, r.Addr)
		dst = binary.BigEndian.AppendUint16(dst, r.Count)
	}
	return appendCRC(dst, from)
}

func coil(on bool) uint16 {
	if on {
		return coilOn
	}
	return 0
}

func appendWords(dst []byte, words []uint16) []byte {
	for _, w := range words {
		dst = binary.BigEndian.AppendUint16(dst, w)
	}
	return dst
}

// appendBits packs coils eight to a byte, the first in the lowest bit (§6.1).
func appendBits(dst []byte, bits []bool) []byte {
	for i := 0; i < len(bits); i += 8 {
		var b byte
		for j := 0; j < 8 && i+j < len(bits); j++ {
			if bits[i+j] {
				b |= 1 << j
			}
		}
		dst = append(dst, b)
	}
	return dst
}
