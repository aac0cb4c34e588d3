package wedge

// Keys with a meaning of their own, linux/input-event-codes.h.
const (
	keyTab       = 15
	keyEnter     = 28
	keyLeftCtrl  = 29
	keyLeftShift = 42
	keyRightShft = 54
	keyLeftAlt   = 56
	keyCapsLock  = 58
	keyNumLock   = 69
	keyScrollLck = 70
	keyKPEnter   = 96
	keyRightCtrl = 97
	keyRightAlt  = 100
	keyLeftMeta  = 125
	keyRightMeta = 126
)

// unknown stands for a key that types no character: no code contains it, so the read is not taken for one.
const unknown = 0x00

// us is the US layout: what a key types without and with shift.
var us = map[uint16][2]byte{
	2: {'1', '!'}, 3: {'2', '@'}, 4: {'3', '#'}, 5: {'4', '$'}, 6: {'5', '%'}, 7: {'6', '^'}, 8: {'7', '&'},
	9: {'8', '*'}, 10: {'9', '('}, 11: {'0', ')'}, 12: {'-', '_'}, 13: {'=', '+'},
	16: {'q', 'Q'}, 17: {'w', 'W'}, 18: {'e', 'E'}, 19: {'r', 'R'}, 20: {'t', 'T'}, 21: {'y', 'Y'}, 22: {'u', 'U'},
	23: {'i', 'I'}, 24: {'o', 'O'}, 25: {'p', 'P'}, 26: {'[', '{'}, 27: {']', '}'},
	30: {'a', 'A'}, 31: {'s', 'S'}, 32: {'d', 'D'}, 33: {'f', 'F'}, 34: {'g', 'G'}, 35: {'h', 'H'}, 36: {'j', 'J'},
	37: {'k', 'K'}, 38: {'l', 'L'}, 39: {';', ':'}, 40: {'\'', '"'}, 41: {'`', '~'}, 43: {'\\', '|'},
	44: {'z', 'Z'}, 45: {'x', 'X'}, 46: {'c', 'C'}, 47: {'v', 'V'}, 48: {'b', 'B'}, 49: {'n', 'N'}, 50: {'m', 'M'},
	51: {',', '<'}, 52: {'.', '>'}, 53: {'/', '?'}, 57: {' ', ' '},
	55: {'*', '*'}, 71: {'7', '7'}, 72: {'8', '8'}, 73: {'9', '9'}, 74: {'-', '-'}, 75: {'4', '4'}, 76: {'5', '5'},
	77: {'6', '6'}, 78: {'+', '+'}, 79: {'1', '1'}, 80: {'2', '2'}, 81: {'3', '3'}, 82: {'0', '0'}, 83: {'.', '.'},
	98: {'/', '/'},
}

// modifiers are the bits of the keys that change what others type.
var modifiers = map[uint16]uint8{
	keyLeftShift: 1, keyRightShft: 2, keyLeftCtrl: 4, keyRightCtrl: 8,
	keyLeftAlt: 16, keyRightAlt: 32, keyLeftMeta: 64, keyRightMeta: 128,
}

const (
	shiftHeld = 1 | 2
	ctrlHeld  = 4 | 8
	otherHeld = 16 | 32 | 64 | 128
)

// A Typist turns key events into characters. The zero Typist holds no key.
type Typist struct {
	TabEnds bool // TAB types CR as ENTER does

	held uint8 // modifiers
}

// Push takes an event and returns the character that it types, if it types one: CR for ENTER, a control character
// with Ctrl, and 00 for a key that has no character.
func (t *Typist) Push(e Event) (c byte, ok bool) {
	if e.dropped() {
		t.held = 0 // whether a key was let go is not known
	}
	if e.Type != evKey {
		return 0, false
	}
	if bit := modifiers[e.Code]; bit != 0 {
		t.held &^= bit
		if e.Value != released {
			t.held |= bit
		}
		return 0, false
	}
	if e.Value != pressed || e.Code == keyCapsLock || e.Code == keyNumLock || e.Code == keyScrollLck {
		return 0, false
	}
	return t.character(e.Code), true
}

func (t *Typist) character(key uint16) byte {
	switch {
	case key == keyEnter, key == keyKPEnter, key == keyTab && t.TabEnds:
		return '\r'
	case key == keyTab:
		return '\t'
	}
	pair, known := us[key]
	switch {
	case !known || t.held&otherHeld != 0:
		return unknown
	case t.held&ctrlHeld != 0:
		return control(pair)
	case t.held&shiftHeld != 0:
		return pair[1]
	}
	return pair[0]
}

// control is what a key types with Ctrl: scanners send FNC1 and the like so (Ctrl and ] is GS, 1D).
func control(pair [2]byte) byte {
	if c := pair[1]; 'A' <= c && c <= 'Z' || '{' <= c && c <= '}' {
		return c & 0x1F
	}
	return unknown
}
