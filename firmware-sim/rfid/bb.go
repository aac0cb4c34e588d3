package rfid

import (
	"encoding/binary"
	"fmt"

	"yipiao/firmware-sim/board"
)

// Bytes of a BB…7E module.
const (
	bbHead    = 0xBB
	bbTail    = 0x7E
	bbAnswer  = 0x01
	bbNotice  = 0x02
	bbInfo    = 0x03
	bbSingle  = 0x22
	bbMany    = 0x27
	bbStop    = 0x28
	bbError   = 0xFF
	bbNoTag   = 0x15
	bbUnknown = 0x17
)

// bbFrame closes a frame.
func bbFrame(kind, command byte, param ...byte) []byte {
	f := append([]byte{bbHead, kind, command, byte(len(param) >> 8), byte(len(param))}, param...)
	var sum byte
	for _, b := range f[1:] {
		sum += b
	}
	return append(f, sum, bbTail)
}

// takeBB answers the commands at the front of p.
func (r *Reader) takeBB(p []byte, line *board.Line) []byte {
	for len(p) > 0 {
		if p[0] != bbHead {
			p = p[1:]
			continue
		}
		if len(p) < 7 {
			return p
		}
		n := int(binary.BigEndian.Uint16(p[3:]))
		switch {
		case n > 64:
			p = p[1:]
			continue
		case len(p) < 7+n:
			return p
		}
		var sum byte
		for _, b := range p[1 : 5+n] {
			sum += b
		}
		if p[1] != 0 || p[5+n] != sum || p[6+n] != bbTail {
			p = p[1:]
			continue
		}
		r.obeyBB(p[:7+n], line)
		p = p[7+n:]
	}
	return p
}

func (r *Reader) obeyBB(f []byte, line *board.Line) {
	switch f[2] {
	case bbInfo:
		r.heard(f, "查询版本 / version")
		r.say(line, bbFrame(bbAnswer, bbInfo, append([]byte{0}, "M100 V1.00"...)...), "版本 M100 V1.00 / version")
	case bbSingle:
		r.heard(f, "单次盘点 / one round")
		r.tellBB(line, 1)
	case bbMany:
		n := 0
		if len(f) == 10 {
			n = int(binary.BigEndian.Uint16(f[6:]))
		}
		r.heard(f, fmt.Sprintf("连续盘点 %d 轮 / rounds", n))
		r.mu.Lock()
		r.polling = n
		r.mu.Unlock()
	case bbStop:
		r.heard(f, "停止盘点 / stop")
		r.mu.Lock()
		r.polling = 0
		r.mu.Unlock()
		r.say(line, bbFrame(bbAnswer, bbStop, 0), "已停止 / stopped")
	default:
		r.heard(f, fmt.Sprintf("命令 %02X / command", f[2]))
		r.say(line, bbFrame(bbAnswer, bbError, bbUnknown), "不支持 / not supported")
	}
}

// round is one of many rounds, if there are any to go.
func (r *Reader) round(line *board.Line) {
	r.mu.Lock()
	looks := r.polling > 0
	if looks {
		r.polling--
	}
	r.mu.Unlock()
	if looks {
		r.tellBB(line, r.set.Repeats)
	}
}

func (r *Reader) tellBB(line *board.Line, times int) {
	chips := r.chips(0)
	if len(chips) == 0 {
		r.say(line, bbFrame(bbAnswer, bbError, bbNoTag), "没有标签 / no chip")
	}
	for range times {
		for _, c := range chips {
			r.say(line, bbTag(c), "标签 "+c.ID+" / chip")
		}
	}
}

// bbTag is the notice for one sight of a chip.
func bbTag(c chip) []byte {
	param := append([]byte{byte(int8(c.RSSI))}, protocolControl(c.id)...)
	param = append(param, c.id...)
	return bbFrame(bbNotice, bbSingle, binary.BigEndian.AppendUint16(param, gen2CRC(param[1:]))...)
}

// gen2CRC is the CRC of a tag's memory: 1021, FFFF, inverted.
func gen2CRC(p []byte) uint16 {
	reg := uint16(0xFFFF)
	for _, b := range p {
		for bit := 7; bit >= 0; bit-- {
			in := uint16(b>>bit) & 1
			if reg>>15 != in {
				reg = reg<<1 ^ 0x1021
				continue
			}
			reg <<= 1
		}
	}
	return ^reg
}
