package idreader

import "bytes"

// start of every frame.
var start = []byte{0xAA, 0xAA, 0xAA, 0x96, 0x69}

// Statuses: the third byte; two zeros go before it.
const (
	stGood       = 0x90
	stFound      = 0x9F
	stBadSum     = 0x10
	stBadLength  = 0x11
	stBadCommand = 0x21
	stReadFailed = 0x41
	stNoCard     = 0x80
	stNoSelect   = 0x81
	stNoItem     = 0x91
)

func xor(p []byte) (x byte) {
	for i := range p {
		x ^= p[i]
	}
	return x
}

// reply makes an answer.
func reply(status byte, data ...[]byte) []byte {
	body := append([]byte{0, 0, status}, bytes.Join(data, nil)...)
	n := len(body) + 1
	frame := append([]byte{byte(n >> 8), byte(n)}, body...)
	return append(append(bytes.Clone(start), frame...), xor(frame))
}

// A request is one frame of the host. status is 0 for a good one, or what the reader answers to a bad one.
type request struct {
	cmd, para byte
	wire      []byte
	status    byte
}

// next takes the first request off the front of p. ok is false while there is none that is complete.
func next(p []byte) (r request, rest []byte, ok bool) {
	at := bytes.Index(p, start)
	if at < 0 {
		return r, p[max(0, len(p)-len(start)+1):], false
	}
	p = p[at:]
	if len(p) < 7 {
		return r, p, false
	}
	n := int(p[5])<<8 | int(p[6])
	switch {
	case n < 3 || n > 512:
		return request{status: stBadLength, wire: p[:7]}, p[7:], true
	case len(p) < 7+n:
		return r, p, false
	}
	r = request{cmd: p[7], para: p[8], wire: p[:7+n]}
	if xor(p[5:7+n]) != 0 {
		r.status = stBadSum
	}
	return r, p[7+n:], true
}
