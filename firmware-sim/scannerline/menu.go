package scannerline

import "strings"

// A known is a setting: its factory value and what it may be. Both makers have menus of a tag of three characters,
// a subtag of three, and a value.
type known struct {
	factory string
	allowed string // "0-1" and its kind, or "" for any number
}

// Verdicts about a command.
const (
	good       = '\x06'
	outOfRange = '\x15'
	notKnown   = '\x05'
)

// menu carries out a chain of menu commands without its final punctuation, and returns it as the scanner echoes it:
// with a verdict before each comma and semicolon, and at the end.
func menu(chain string, queries string, one func(key, data string, query byte) (echo string, verdict byte)) string {
	var out strings.Builder
	tag := ""
	for len(chain) > 0 {
		end := strings.IndexAny(chain, ",;")
		item, mark := chain, ""
		if end >= 0 {
			item, mark = chain[:end], chain[end:end+1]
		}
		chain = chain[len(item)+len(mark):]
		out.WriteString(answer(item, &tag, queries, one))
		out.WriteString(mark)
		if mark == ";" {
			tag = ""
		}
	}
	return out.String()
}

// answer is the echo of one command. tag is that of the command before, where it goes on for this one.
func answer(item string, tag *string, queries string, one func(string, string, byte) (string, byte)) string {
	subtag := item
	if *tag == "" {
		if len(item) < 6 {
			return item + string(rune(notKnown))
		}
		*tag, subtag = item[:3], item[3:]
	}
	if len(subtag) < 3 {
		return item + string(rune(notKnown))
	}
	data, query := subtag[3:], byte(0)
	if len(data) == 1 && strings.Contains(queries, data) {
		data, query = "", data[0]
	}
	echo, verdict := one(*tag+subtag[:3], data, query)
	head := strings.TrimSuffix(item, subtag[3:])
	if query == 0 {
		head = item
	}
	return head + echo + string(rune(verdict))
}

// within checks a value against what is allowed: a range of single digits, or any number.
func (k known) within(value string) bool {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return false
	}
	if k.allowed == "" {
		return len(value) <= 5
	}
	return len(value) == 1 && value[0] >= k.allowed[0] && value[0] <= k.allowed[2]
}
