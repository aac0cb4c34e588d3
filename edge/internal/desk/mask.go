package desk

import (
	"slices"
	"strings"

	"yipiao/sync/ticket"
)

// tail is the end of a text that may be written down: at most 4 characters and never more than half of
// it, so that the rest cannot be guessed from what is around.
func tail(s string) string {
	r := []rune(s)
	return string(r[len(r)-min(4, len(r)/2):])
}

// codeTail masks a ticket code. Its first 21 digits name the session and are no secret, so only the
// identifier behind them counts.
func codeTail(c ticket.TicketCode) string {
	if len(c) <= 21 {
		return ""
	}
	return tail(string(c[21:]))
}

// Limits of a search.
const (
	maxTerms = 8
	maxTerm  = 40 // characters
	trigram  = 3  // characters that the full-text index needs
)

// A search is a typed text, split: long terms for the full-text index, short ones for LIKE.
type search struct{ match, like []string }

func newSearch(text string) search {
	var s search
	for i, term := range strings.Fields(text) {
		if i == maxTerms {
			break
		}
		r := []rune(term)
		term = string(r[:min(len(r), maxTerm)])
		if len(r) < trigram {
			s.like = append(s.like, "%"+likeEscaper.Replace(term)+"%")
			continue
		}
		s.match = append(s.match, `"`+strings.ReplaceAll(term, `"`, `""`)+`"`)
	}
	return s
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// searchable joins what a search looks at; line ends keep words of two fields apart.
func searchable(fields ...string) string {
	return strings.Join(slices.DeleteFunc(fields, func(f string) bool { return f == "" }), "\n")
}
