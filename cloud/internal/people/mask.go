package people

import "strings"

// Mask is what of a name leaves the cloud: its last character, a star for each before it. A name of
// one character is a star.
func Mask(name string) string {
	runes := []rune(strings.TrimSpace(name))
	switch len(runes) {
	case 0:
		return ""
	case 1:
		return "*"
	}
	return strings.Repeat("*", len(runes)-1) + string(runes[len(runes)-1])
}
