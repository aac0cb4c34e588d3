package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// DecodeResponse reads the answer to req from the front of p and returns how many bytes it took.
// The error is ErrShort while bytes are missing, ErrBadFrame for what cannot be this answer. An
// answer that is an exception is a Response with Exception set, not an error.
//
// An answer to another request with the same unit, function and length cannot be told apart: Modbus
// numbers nothing. Where that matters the caller asks for a different count.
func DecodeResponse(p []byte, req Request) (resp Response, n int, err error) {
	n, err = responseLength(p, req)
	if err != nil {
		return Response{}, 0, err
	}
	if len(p) < n {
		return Response{}, 0, ErrShort
	}
	frame := p[:n]
	if !checked(frame) {
		return Response{}, 0, fmt.Errorf("%w: checksum of % x", ErrBadFrame, frame[:min(n, 16)])
	}
	resp = Response{Unit: req.Unit, Func: req.Func}
	if frame[1]&exceptionBit != 0 {
		resp.Exception = Exception(frame[2])
		return resp, n, nil
	}
	if req.Reads() {
		resp.read(frame, req)
		return resp, n, nil
	}
	return resp, n, resp.echo(frame, req)
}

// responseLength says how long the answer at the front of p is, from as few bytes as possible, and
// refuses it as soon as one does not fit.
func responseLength(p []byte, req Request) (int, error) {
	if len(p) < 2 {
		if len(p) == 1 && p[0] != req.Unit {
			return 0, fmt.Errorf("%w: unit %d, want %d", ErrBadFrame, p[0], req.Unit)
		}
		return 0, ErrShort
	}
	if p[0] != req.Unit {
		return 0, fmt.Errorf("%w: unit %d, want %d", ErrBadFrame, p[0], req.Unit)
	}
	switch p[1] {
	case byte(req.Func) | exceptionBit:
		return exceptionLength(p)
	case byte(req.Func):
	default:
		return 0, fmt.Errorf("%w: function %d, want %d", ErrBadFrame, p[1], req.Func)
	}
	if !req.Reads() {
		return 8, nil
	}
	want := 2 * req.quantity()
	if req.bits() {
		want = (req.quantity() + 7) / 8
	}
	if len(p) >= 3 && int(p[2]) != want {
		return 0, fmt.Errorf("%w: %d data bytes, want %d", ErrBadFrame, p[2], want)
	}
	return 3 + want + 2, nil
}

func exceptionLength(p []byte) (int, error) {
	if len(p) >= 3 && p[2] == 0 {
		return 0, fmt.Errorf("%w: exception 0", ErrBadFrame)
	}
	return exceptionFrame, nil
}

func (r *Response) read(frame []byte, req Request) {
	data := frame[3 : len(frame)-2]
	r.Count = req.Count
	if !req.bits() {
		r.Values = words(data)
		return
	}
	r.Bits = make([]bool, req.Count)
	for i := range r.Bits {
		r.Bits[i] = data[i/8]&(1<<(i%8)) != 0
	}
}

// echo checks that the device repeats what it was told to write.
func (r *Response) echo(frame []byte, req Request) error {
	r.Addr = binary.BigEndian.Uint16(frame[2:])
	value := binary.BigEndian.Uint16(frame[4:])
	want := uint16(req.quantity())
	r.Count = 1
	switch req.Func {
	case WriteSingleCoil:
		want = req.single()
		r.Bits = []bool{value == coilOn}
	case WriteSingleRegister:
		want = req.single()
		r.Values = []uint16{value}
	default:
		r.Count = value
	}
	if r.Addr != req.Addr || value != want {
		return fmt.Errorf("%w: echo %#04x %#04x, want %#04x %#04x", ErrBadFrame, r.Addr, value, req.Addr, want)
	}
	return nil
}

func words(data []byte) []uint16 {
	w := make([]uint16, len(data)/2)
	for i := range w {
		w[i] = binary.BigEndian.Uint16(data[2*i:])
	}
	return w
}

// find looks for the answer anywhere in p: the turn-around of an RS-485 line often puts a stray byte
// before it. Unit, function, length and checksum together make a wrong hit unlikely. begun tells
// whether p ends in what may be the beginning of the answer; err is what is wrong so far.
func find(p []byte, req Request) (resp Response, begun bool, err error) {
	err = ErrShort
	for from := range p {
		r, _, e := DecodeResponse(p[from:], req)
		if from == 0 || e == nil {
			resp, err = r, e
		}
		if e == nil {
			return resp, true, nil
		}
		if errors.Is(e, ErrShort) {
			return Response{}, true, err
		}
	}
	return Response{}, false, err
}
