package usbip

import (
	"fmt"
	"strings"
)

// layout is a US keyboard by HID usages: those from 4 on, without shift and with it. A blank stands for a key that
// types nothing here.
const (
	firstUsage = 4
	plain      = "abcdefghijklmnopqrstuvwxyz1234567890\r  \t -=[]\\ ;'`,./"
	shifted    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()     _+{}| :\"~<>?"
	spaceBar   = 44
	leftShift  = 0x02
)

// Keys are the boot reports that type a text: each key down, and up again.
func Keys(text string) ([][]byte, error) {
	var all [][]byte
	for i := range len(text) {
		modifier, usage, err := key(text[i])
		if err != nil {
			return nil, err
		}
		all = append(all, []byte{modifier, 0, usage, 0, 0, 0, 0, 0}, make([]byte, 8))
	}
	return all, nil
}

func key(c byte) (modifier, usage byte, err error) {
	if c == ' ' {
		return 0, spaceBar, nil
	}
	if i := strings.IndexByte(plain, c); i >= 0 {
		return 0, byte(firstUsage + i), nil
	}
	if i := strings.IndexByte(shifted, c); i >= 0 {
		return leftShift, byte(firstUsage + i), nil
	}
	return 0, 0, fmt.Errorf("usbip: no key types %#02x", c)
}
