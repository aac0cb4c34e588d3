package rfid

import (
	"bytes"
	"fmt"

	"yipiao/firmware-sim/board"
)

// Frames of a PN532 on its high speed UART.
var (
	pnStart = []byte{0x00, 0x00, 0xFF}
	pnAck   = []byte{0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00}
	pnError = []byte{0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00}
)

// Commands.
const (
	pnVersion   = 0x02
	pnSAM       = 0x14
	pnConfigure = 0x32
	pnList      = 0x4A
)

// pnFrame closes an answer.
func pnFrame(command byte, data ...byte) []byte {
	body := append([]byte{0xD5, command + 1}, data...)
	f := append(bytes.Clone(pnStart), byte(len(body)), -byte(len(body)))
	var sum byte
	for _, b := range body {
		sum += b
	}
	return append(append(f, body...), -sum, 0x00)
}

// takePN532 answers the commands at the front of p. Nothing is answered before the chip was woken by a long preamble.
func (r *Reader) takePN532(p []byte, line *board.Line) []byte {
	for {
		if i := bytes.Index(p, []byte{0x55, 0x55, 0x00}); i >= 0 {
			r.mu.Lock()
			r.ready = true
			r.mu.Unlock()
			p = p[i+2:]
		}
		i := bytes.Index(p, pnStart)
		if i < 0 {
			return p[max(0, len(p)-2):]
		}
		p = p[i:]
		if len(p) < 6 {
			return p
		}
		n := int(p[3])
		switch {
		case n == 0 || p[3]+p[4] != 0: // an ACK of the host, a NACK, or noise
			p = p[3:]
			continue
		case len(p) < 5+n+1:
			return p
		}
		body, whole := p[5:5+n], 5+n+1
		var sum byte
		for _, b := range p[5:whole] {
			sum += b
		}
		if sum == 0 && body[0] == 0xD4 && n >= 2 && r.awake() {
			r.obeyPN532(p[:whole], body[1], body[2:], line)
		}
		p = p[whole:]
	}
}

func (r *Reader) awake() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

func (r *Reader) obeyPN532(f []byte, cmd byte, data []byte, line *board.Line) {
	answer := func(text string, data ...byte) {
		r.say(line, pnAck, "确认 / ACK")
		r.say(line, pnFrame(cmd, data...), text)
	}
	switch cmd {
	case pnVersion:
		r.heard(f, "查询固件版本 / firmware version")
		answer("PN532 1.6", 0x32, 1, 6, 7)
	case pnSAM:
		r.heard(f, "设置 SAM / configure SAM")
		answer("完成 / done")
	case pnConfigure:
		r.heard(f, "设置射频 / configure the field")
		answer("完成 / done")
	case pnList:
		r.heard(f, "寻卡 / look for a card")
		out := []byte{0}
		if chips := r.chips(0); len(chips) > 0 && len(data) == 2 && data[1] == 0 {
			c := chips[0]
			out = append([]byte{1, 1, 0x00, 0x04, 0x08, byte(len(c.id))}, c.id...)
		}
		answer(fmt.Sprintf("%d 张卡 / cards", out[0]), out...)
	default:
		r.heard(f, fmt.Sprintf("命令 %02X / command", cmd))
		r.say(line, pnError, "语法错误 / syntax error")
	}
}
