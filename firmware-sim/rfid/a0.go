package rfid

import (
	"encoding/binary"
	"fmt"

	"yipiao/firmware-sim/board"
)

// Codes of an A0 module: commands, and the one byte of a short answer.
const (
	a0Head       = 0xA0
	a0Anyone     = 0xFF
	a0Firmware   = 0x72
	a0SetAntenna = 0x74
	a0Round      = 0x89

	a0OK            = 0x10
	a0Failed        = 0x11
	a0NoAntenna     = 0x22
	a0Channel       = 0x05 // any; the upper six bits of a tag's second byte
	a0FloorDBm      = -129
	a0UpperAntennas = 0x80
)

// a0Frame closes a frame: head, length, address, command, data, check.
func a0Frame(address byte, command byte, data ...byte) []byte {
	f := append([]byte{a0Head, byte(len(data) + 3), address, command}, data...)
	sum := 0
	for _, b := range f {
		sum += int(b)
	}
	return append(f, byte(256-sum%256))
}

// takeA0 answers the commands at the front of p.
func (r *Reader) takeA0(p []byte, line *board.Line) []byte {
	for len(p) >= 2 {
		whole := 2 + int(p[1])
		if p[0] != a0Head || whole < 5 {
			p = p[1:]
			continue
		}
		if len(p) < whole {
			return p
		}
		sum := byte(0)
		for _, b := range p[:whole] {
			sum += b
		}
		if sum != 0 {
			p = p[1:]
			continue
		}
		if f := p[:whole]; int(f[2]) == r.set.Address || f[2] == a0Anyone {
			r.obeyA0(f, line)
		}
		p = p[whole:]
	}
	return p
}

func (r *Reader) obeyA0(f []byte, line *board.Line) {
	at, cmd := byte(r.set.Address), f[3]
	switch {
	case cmd == a0Firmware:
		r.heard(f, "查询固件版本 / firmware version")
		r.say(line, a0Frame(at, cmd, 2, 6), "版本 2.6 / version")
	case cmd == a0SetAntenna && len(f) == 6:
		r.heard(f, fmt.Sprintf("切换天线 %d / set antenna", f[4]+1))
		code := byte(a0NoAntenna)
		if int(f[4]) < r.set.Antennas {
			code = a0OK
			r.mu.Lock()
			r.antenna = int(f[4]) + 1
			r.mu.Unlock()
		}
		r.say(line, a0Frame(at, cmd, code), fmt.Sprintf("结果 %02X / result", code))
	case cmd == a0Round && len(f) == 6:
		r.heard(f, "盘点一轮 / one round of inventory")
		r.roundA0(line)
	default:
		r.heard(f, fmt.Sprintf("命令 %02X / command", cmd))
		r.say(line, a0Frame(at, cmd, a0Failed), "不支持 / not supported")
	}
}

// roundA0 tells each chip before the antenna several times, and then what the round came to.
func (r *Reader) roundA0(line *board.Line) {
	r.mu.Lock()
	antenna := r.antenna
	r.mu.Unlock()
	total := uint32(0)
	for range r.set.Repeats {
		for _, c := range r.chips(antenna) {
			total++
			r.say(line, a0Tag(byte(r.set.Address), c), "标签 "+c.ID+" / chip")
		}
	}
	data := binary.BigEndian.AppendUint16([]byte{byte(antenna - 1)}, uint16(min(total*10, 999)))
	data = binary.BigEndian.AppendUint32(data, total)
	r.say(line, a0Frame(byte(r.set.Address), a0Round, data...), fmt.Sprintf("本轮 %d 次 / reads in this round", total))
}

// a0Tag is the frame for one sight of a chip.
func a0Tag(address byte, c chip) []byte {
	antenna, strength := c.Antenna-1, byte(c.RSSI-a0FloorDBm)
	if antenna >= 4 {
		strength |= a0UpperAntennas
	}
	data := append([]byte{a0Channel<<2 | byte(antenna%4)}, protocolControl(c.id)...)
	return a0Frame(address, a0Round, append(append(data, c.id...), strength)...)
}

// protocolControl is the PC word of an EPC: its length in words, in the upper five bits.
func protocolControl(epc []byte) []byte { return []byte{byte(len(epc) / 2 << 3), 0} }
