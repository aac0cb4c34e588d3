package scannerssi

// The Simple Serial Interface as the integration guides have it.
const (
	askRevision  = 0xA3
	tellRevision = 0xA4
	ack          = 0xD0
	nak          = 0xD1
	startSession = 0xE4
	stopSession  = 0xE5
	beep         = 0xE6
	ledOn        = 0xE7
	ledOff       = 0xE8
	scanEnable   = 0xE9
	scanDisable  = 0xEA
	decodeData   = 0xF3

	decoder = 0x00
	host    = 0x04

	statusAgain = 1 << 0
	statusMore  = 1 << 1

	reasonResend  = 1
	reasonContext = 2
	reasonDenied  = 6

	longest = 255 // of a packet, its checksum not counted
)

// Packet builds one packet of the scanner.
func Packet(opcode, status byte, data []byte) []byte {
	p := append([]byte{byte(4 + len(data)), opcode, decoder, status}, data...)
	hi, lo := check(p)
	return append(p, hi, lo)
}

// check is the two's complement of the sum, high byte first.
func check(p []byte) (hi, lo byte) {
	sum := 0
	for _, b := range p {
		sum += int(b)
	}
	sum = 0x10000 - sum&0xFFFF
	return byte(sum >> 8), byte(sum)
}

// Packets builds the packets of one decoded code: as many as it takes, all but the last marked.
func Packets(codeType byte, data string) [][]byte {
	const room = longest - 5
	var all [][]byte
	for first := true; first || len(data) > 0; first = false {
		n := min(len(data), room)
		part := append([]byte{codeType}, data[:n]...)
		status := byte(0)
		if data = data[n:]; len(data) > 0 {
			status = statusMore
		}
		all = append(all, Packet(decodeData, status, part))
	}
	return all
}

// marked is a packet as it is sent again.
func marked(p []byte) []byte {
	n := len(p) - 2
	again := append([]byte(nil), p[:n]...)
	again[3] |= statusAgain
	hi, lo := check(again)
	return append(again, hi, lo)
}

// A command is a packet of the host.
type command struct {
	opcode, status byte
	data           []byte
}

// cut takes a command off the front of p. used is how many bytes are done with, 0 while it is not complete; spoilt
// says that they were no packet.
func cut(p []byte) (c command, used int, spoilt bool) {
	if len(p) == 0 {
		return command{}, 0, false
	}
	n := int(p[0])
	switch {
	case n < 4:
		return command{}, 1, true
	case len(p) < n+2:
		return command{}, 0, false
	}
	if hi, lo := check(p[:n]); hi != p[n] || lo != p[n+1] || p[2] != host {
		return command{}, len(p), true
	}
	return command{opcode: p[1], status: p[3], data: append([]byte(nil), p[4:n]...)}, n + 2, false
}
