package scannerline

import (
	"bytes"
	"strings"
)

// honeywell speaks as the user's guides of the 2020 and 4820 have it, chapter 12.
type honeywell struct{}

const syn = '\x16'

var honeywellMenu = map[string]known{
	"CBRENA": {"1", "0-1"}, "CBRSSX": {"0", "0-1"}, "TRGMOD": {"0", "0-3"}, "BEPBEP": {"1", "0-1"},
}

const honeywellRevision = "Product Name: SIM4820\r\nSoftware Revision: 31205480-041\r\nSerial Number: SIM0000001\r\n"

// longestMenu is more than any menu command.
const longestMenu = 256

func (honeywell) hear(p []byte, s *Scanner) heard {
	switch {
	case p[0] != syn:
		return heard{used: 1}
	case len(p) < 3:
		return heard{}
	case p[2] != '\r':
		return heard{used: 1}
	}
	h := heard{used: 3}
	switch p[1] {
	case 'T':
		h.name = "触发开 SYN T"
		h.code, h.read = s.head.Trigger(true)
	case 'U':
		h.name = "触发关 SYN U"
		_, _ = s.head.Trigger(false)
	case '\x07':
		h.name = "蜂鸣 SYN BEL"
		s.head.Beep("短鸣 / short")
	case 'M':
		return honeywellChain(p, s)
	default:
		return heard{used: 1}
	}
	s.tooEarly(0)
	return h
}

// honeywellChain carries out what follows SYN M CR up to a full stop or an exclamation mark.
func honeywellChain(p []byte, s *Scanner) heard {
	end := bytes.IndexAny(p[3:], ".!")
	switch {
	case end < 0 && len(p) > longestMenu:
		return heard{used: 1}
	case end < 0:
		return heard{}
	}
	chain := string(p[3 : 3+end])
	h := heard{used: 3 + end + 1, name: "菜单 SYN M " + chain}
	s.tooEarly(0)
	if strings.EqualFold(chain, "REVINF") {
		h.answer = []byte(honeywellRevision + "REVINF\x06" + string(p[3+end]))
		return h
	}
	echo := menu(strings.ToUpper(chain), "?*^", func(key, data string, query byte) (string, byte) {
		k, ok := honeywellMenu[key]
		switch {
		case !ok:
			return "", notKnown
		case query == '?':
			return s.value(key, k.factory), good
		case query == '^':
			return k.factory, good
		case query == '*':
			return k.allowed, good
		case !k.within(data):
			return "", outOfRange
		}
		s.setValue(key, data)
		return "", good
	})
	h.answer = []byte(echo + string(p[3+end]))
	return h
}
