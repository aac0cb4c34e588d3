package scannerline

import (
	"bytes"
	"strings"
	"time"
)

// newland speaks as the user guides of the NLS-HR42 and HR52 have it.
type newland struct{}

// newlandGap is what must lie between two commands.
const newlandGap = 50 * time.Millisecond

var newlandMenu = map[string]known{
	"SCNMOD": {"0", "0-3"}, "ORTSET": {"3000", ""}, "RRDDUR": {"1000", ""}, "GRBENA": {"1", "0-1"}, "TSUENA": {"1", "0-1"},
	"C11ENA": {"0", "0-1"}, "C11MIN": {"12", ""}, "C11MAX": {"22", ""},
}

const newlandSystem = "\r\nProduct Name: SIM42\r\nFirmware Version: 1.02.003\r\nHardware Version: A\r\nSerial Number: SIM0000001\r\n"

func (newland) hear(p []byte, s *Scanner) heard {
	head, tail := []byte("~\x010000"), []byte(";\x03")
	if n := min(len(p), len(head)); !bytes.Equal(p[:n], head[:n]) {
		return heard{used: 1}
	}
	end := bytes.Index(p, tail)
	if len(p) < len(head) || end < 0 {
		return heard{}
	}
	h := heard{used: end + len(tail)}
	body := string(p[len(head):end])
	if len(body) < 1 || body[0] != '@' && body[0] != '#' {
		return h
	}
	h.name = "命令 / command " + body
	if s.tooEarly(newlandGap) {
		h.name += "（太快，未执行 / too soon, not done）"
		return h
	}
	echo := menu(body[1:], "*&^", func(key, data string, query byte) (string, byte) {
		return newlandOne(s, &h, key, data, query)
	})
	h.answer = []byte("\x02\x010000" + body[:1] + echo + ";\x03")
	return h
}

// newlandOne carries out one command.
func newlandOne(s *Scanner, h *heard, key, data string, query byte) (echo string, verdict byte) {
	switch {
	case key == "QRYSYS":
		return newlandSystem, good
	case key == "SCNTRG" && (data == "0" || data == "1"):
		h.code, h.read = s.head.Trigger(data == "1")
		return "", good
	case key == "BEEPON" && strings.HasSuffix(data, "V"):
		s.head.Beep("响声 / sound " + data)
		return "", good
	}
	k, ok := newlandMenu[key]
	if !ok {
		return "", notKnown
	}
	switch query {
	case '*':
		return s.value(key, k.factory), good
	case '&':
		return k.factory, good
	case '^':
		return k.allowed, good
	}
	if !k.within(data) {
		return "", outOfRange
	}
	s.setValue(key, data)
	return "", good
}
