package rfid

import (
	"fmt"
	"slices"

	"yipiao/firmware-sim/board"
)

// Commands and answers of a CR95HF.
const (
	crIDN     = 0x01
	crSelect  = 0x02
	crSend    = 0x04
	crEcho    = 0x55
	crGood    = 0x00
	crReply   = 0x80
	crBadSize = 0x82
	crNoReply = 0x87
	crUnknown = 0x83
)

// crName is what the chip calls itself, with its CRC.
var crName = []byte("NFC FS2JAST4\x00\x2A\xCE")

// takeCR95HF answers the commands at the front of p: code, length, data. An echo is one byte.
func (r *Reader) takeCR95HF(p []byte, line *board.Line) []byte {
	for len(p) > 0 {
		if p[0] == crEcho {
			r.heard(p[:1], "回声 / echo")
			r.say(line, []byte{crEcho}, "回声 / echo")
			p = p[1:]
			continue
		}
		if len(p) < 2 || len(p) < 2+int(p[1]) {
			return p
		}
		f := p[:2+int(p[1])]
		p = p[len(f):]
		r.obeyCR95HF(f, line)
	}
	return nil
}

func (r *Reader) obeyCR95HF(f []byte, line *board.Line) {
	switch f[0] {
	case crIDN:
		r.heard(f, "查询型号 / identification")
		r.say(line, append([]byte{crGood, byte(len(crName))}, crName...), "型号 NFC FS2JAST4 / identification")
	case crSelect:
		r.heard(f, "选择协议 / select protocol")
		ok := len(f) == 4 && f[2] == 1
		r.mu.Lock()
		r.ready = ok
		r.mu.Unlock()
		if !ok {
			r.say(line, []byte{crUnknown, 0}, "不支持的协议 / protocol not supported")
			return
		}
		r.say(line, []byte{crGood, 0}, "已选协议 ISO 15693 / protocol selected")
	case crSend:
		r.heard(f, "发送并接收 / send and receive")
		r.inventory(f[2:], line)
	default:
		r.heard(f, fmt.Sprintf("命令 %02X / command", f[0]))
		r.say(line, []byte{crBadSize, 0}, "不支持 / not supported")
	}
}

// inventory lets the chips of the field answer in one slot: two at once spoil each other's answer.
func (r *Reader) inventory(request []byte, line *board.Line) {
	chips := r.chips(0)
	if len(chips) == 0 || !r.awake() || !slices.Equal(request, []byte{0x26, 0x01, 0x00}) {
		r.say(line, []byte{crNoReply, 0}, "没有应答 / no reply")
		return
	}
	body := []byte{0x00, 0x00}
	uid := slices.Clone(chips[0].id)
	slices.Reverse(uid)
	body = append(body, uid...)
	status := byte(0)
	if len(chips) > 1 {
		body[3] ^= chips[1].id[6]
		body[2] ^= 0xFF
		status = 0x01
	}
	sum := vicinityCRC(append([]byte{0x00, 0x00}, reversed(chips[0].id)...))
	body = append(body, byte(sum), byte(sum>>8), status)
	r.say(line, append([]byte{crReply, byte(len(body))}, body...), "标签 "+chips[0].ID+" / chip")
}

func reversed(p []byte) []byte {
	q := slices.Clone(p)
	slices.Reverse(q)
	return q
}

// vicinityCRC is the CRC of ISO 15693: 8408, FFFF, inverted, low byte first on the air.
func vicinityCRC(p []byte) uint16 {
	reg := uint16(0xFFFF)
	for _, b := range p {
		for range 8 {
			low := (reg ^ uint16(b)) & 1
			reg >>= 1
			b >>= 1
			if low == 1 {
				reg ^= 0x8408
			}
		}
	}
	return ^reg
}
