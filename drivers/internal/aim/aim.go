// Package aim knows AIM symbology identifiers (ISO/IEC 15424) and what a code may consist of.
//
// It knows bytes. It must not know scanners or their framing.
package aim

// Valid reports whether p is an identifier: "]", a code letter, and a modifier that is a letter or a digit.
func Valid(p []byte) bool {
	return len(p) == 3 && p[0] == ']' && letter(p[1]) && (letter(p[2]) || '0' <= p[2] && p[2] <= '9')
}

// Split takes an identifier off the front; without one id is "" and rest is data.
func Split(data []byte) (id string, rest []byte) {
	if len(data) < 3 || !Valid(data[:3]) {
		return "", data
	}
	return string(data[:3]), data[3:]
}

// Printable reports whether all of data is printable ASCII.
func Printable(data []byte) bool {
	for _, b := range data {
		if b < 0x20 || b > 0x7E {
			return false
		}
	}
	return true
}

func letter(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }
