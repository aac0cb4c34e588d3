package mrz

import "strings"

// inAlphabet reports whether a character may stand in a zone.
func inAlphabet(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '<' }

// lineOf cleans one line: readers pad with blanks or underscores.
func lineOf(s string) string { return strings.TrimLeft(strings.TrimRight(s, " _\t"), " \t") }

// Join finds the lines of a zone in what a reader sent, and joins them: three of 30 characters, two of 36 or of 44, or
// one of 90, 72 or 88 where the line breaks were left out. ok is false where there are none; what is joined may still
// hold characters that were not read.
func Join(text string) (zone string, ok bool) {
	var lines []string
	for _, l := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if l = lineOf(l); l != "" {
			lines = append(lines, l)
		}
	}
	for i, l := range lines {
		switch n := len(l); {
		case !strings.Contains(l, "<") && n < 72: // the first line of every format has fillers, an intruder has none
		case n == 90 || n == 88 || n == 72:
			return l, true
		case n == 30 && same(lines[i:], 3, 30):
			return strings.Join(lines[i:i+3], ""), true
		case (n == 36 || n == 44) && same(lines[i:], 2, n):
			return strings.Join(lines[i:i+2], ""), true
		}
	}
	return "", false
}

// same reports whether there are n lines of one width.
func same(lines []string, n, width int) bool {
	if len(lines) < n {
		return false
	}
	for _, l := range lines[:n] {
		if len(l) != width {
			return false
		}
	}
	return true
}

// resembles reports whether what a reader sent was meant to be a zone, so that somebody waits for an answer.
func resembles(text string) bool {
	return len(text) >= 25 && strings.Contains(text, "<<")
}
