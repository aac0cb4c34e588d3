package webui

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Lang is a language of the pages. Chinese is the first, English the second; both are complete.
type Lang string

// Languages.
const (
	Zh Lang = "zh"
	En Lang = "en"
)

// ParseLang reads a language from a query or cookie value.
func ParseLang(s string) (Lang, bool) {
	switch l := Lang(strings.Clone(s)); l {
	case Zh, En:
		return l, true
	}
	return Zh, false
}

// Tag is the value of the HTML lang attribute.
func (l Lang) Tag() string {
	if l == En {
		return "en"
	}
	return "zh-CN"
}

// A Text is one text of a page in both languages. {1}, {2}, … are its blanks.
type Text struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

// Texts is a catalogue of texts by key.
type Texts map[string]Text

// ReadTexts merges catalogues, given as JSON. A key twice or a missing language is an error.
func ReadTexts(catalogues ...[]byte) (Texts, error) {
	all := Texts{}
	for _, raw := range catalogues {
		one := Texts{}
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, fmt.Errorf("texts: %w", err)
		}
		for key, t := range one {
			if _, twice := all[key]; twice {
				return nil, fmt.Errorf("texts: %q is there twice", key)
			}
			if t.Zh == "" || t.En == "" {
				return nil, fmt.Errorf("texts: %q lacks a language", key)
			}
			all[key] = t
		}
	}
	return all, nil
}

// A Speaker says texts in one language.
type Speaker struct {
	Lang  Lang
	texts Texts
	// still makes ages independent of the present moment: the page counts by itself.
	still bool
}

// In returns a speaker of the language.
func (t Texts) In(l Lang) Speaker { return Speaker{Lang: l, texts: t} }

// T returns the text of a key with its blanks filled in; numbers get thousands separators. A key that
// is not in the catalogue is a programmer error and is shown as ⟨key⟩.
func (s Speaker) T(key string, args ...any) string {
	t, ok := s.texts[key]
	if !ok {
		return "⟨" + key + "⟩"
	}
	out := t.Zh
	if s.Lang == En {
		out = t.En
	}
	for i, a := range args {
		out = strings.ReplaceAll(out, "{"+strconv.Itoa(i+1)+"}", say(a))
	}
	return out
}

// Pick chooses between a Chinese and an English text.
func (s Speaker) Pick(zh, en string) string {
	if s.Lang == En && en != "" {
		return en
	}
	return zh
}

// Join joins the parts that are not empty: 放行·A区 12排07座.
func (s Speaker) Join(parts ...string) string {
	there := slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return p == "" })
	return strings.Join(there, s.T("dot"))
}

// Half returns the page's language of a title written "中文 / English", or all of it.
func (s Speaker) Half(title string) string {
	zh, en, both := strings.Cut(title, " / ")
	if !both {
		return title
	}
	return s.Pick(zh, en)
}

func say(a any) string {
	switch v := a.(type) {
	case string:
		return v
	case int:
		return Num(int64(v))
	case int64:
		return Num(v)
	case uint64:
		return Num(int64(v))
	}
	return fmt.Sprint(a)
}
