package ticket

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// An IDType is a type of identity document that a real-name buyer may give (SHOW-6.3.3.1, SHOW-E.2.3-a). It is a
// stable code; names and forms of numbers are in idtypes.json, where a further type is one more line.
type IDType string

// Types of identity documents: the eight of SHOW-6.3.3.1, and two more whose cards a reader can read.
const (
	IDResident     IDType = "resident"      // 居民身份证
	IDPassport     IDType = "passport"      // 护照, of any state
	IDHKMPermit    IDType = "hkm_permit"    // 港澳居民来往内地通行证
	IDTWPermit     IDType = "tw_permit"     // 台湾地区来往大陆通行证
	IDMilitary     IDType = "military"      // 士兵或军官证
	IDTWResidence  IDType = "tw_residence"  // 台湾居民居住证
	IDHKPassport   IDType = "hk_passport"   // 香港特别行政区护照
	IDMOPassport   IDType = "mo_passport"   // 澳门特别行政区护照
	IDHKMResidence IDType = "hkm_residence" // 港澳居民居住证
	IDForeigner    IDType = "foreigner"     // 外国人永久居留身份证, numbers of 2017 and of 2023
)

// idRule is one line of idtypes.json.
type idRule struct {
	Type IDType   `json:"type"`
	Zh   string   `json:"zh"`
	En   string   `json:"en"`
	Form []string `json:"forms"` // regular expressions, any of which the whole number must match
	GB   bool     `json:"gb11643"`

	form *regexp.Regexp
}

//go:embed idtypes.json
var idTypesJSON []byte

var idRules = sync.OnceValue(func() []idRule {
	var rules []idRule
	if err := json.Unmarshal(idTypesJSON, &rules); err != nil {
		panic(fmt.Sprintf("ticket: idtypes.json: %v", err)) // embedded: a programmer error
	}
	for i := range rules {
		rules[i].form = regexp.MustCompile(`^(?:` + strings.Join(rules[i].Form, "|") + `)$`)
	}
	return rules
})

func (t IDType) rule() (idRule, bool) {
	for _, r := range idRules() {
		if r.Type == t {
			return r, true
		}
	}
	return idRule{}, false
}

// IDTypes lists the types in the order in which they are offered.
func IDTypes() []IDType {
	var all []IDType
	for _, r := range idRules() {
		all = append(all, r.Type)
	}
	return all
}

// Title is the type's name for people, Chinese and English; the code itself for a type that is not known.
func (t IDType) Title() (zh, en string) {
	if r, ok := t.rule(); ok {
		return r.Zh, r.En
	}
	return string(t), string(t)
}

// NormalID writes a document number as it is stored, hashed and compared: upper case, ASCII where people typed
// full-width characters, no blanks, brackets or hyphens. It does not check it.
func NormalID(number string) string {
	return strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' { // full-width forms of ! to ~
			r -= '！' - '!'
		}
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r == ' ' || r == '\u3000' || r == '\t' || r == '(' || r == ')' || r == '-':
			return -1
		}
		return r
	}, number)
}

// CheckID checks a document number by the logic of its type (SHOW-E.2.3-b) and returns it as NormalID writes it. The
// error is a *FieldError for the field "id_number", or "id_type", with one of the codes unknown_id_type, bad_id_form,
// bad_id_date and bad_id_check_digit; it never holds the number.
func CheckID(t IDType, number string) (string, error) {
	r, ok := t.rule()
	if !ok {
		return "", &FieldError{"id_type", "证件类型 (a type of document)", "unknown_id_type"}
	}
	n := NormalID(number)
	switch {
	case !r.form.MatchString(n):
		return "", &FieldError{"id_number", r.Zh + "号码的格式 (the form of its number)", "bad_id_form"}
	case !r.GB || len(n) != 18: // the older numbers of foreigners have a check digit of their own
		return n, nil
	case !realDate(n[6:14]):
		return "", &FieldError{"id_number", "第 7–14 位为日期 (digits 7 to 14 a date)", "bad_id_date"}
	case gb11643(n[:17]) != n[17]:
		return "", &FieldError{"id_number", "正确的校验位 (a correct check digit)", "bad_id_check_digit"}
	}
	return n, nil
}

// realDate reports whether YYYYMMDD is a day of the calendar.
func realDate(s string) bool {
	_, err := time.Parse("20060102", s)
	return err == nil
}

// gb11643 is the check character of 17 digits by GB 11643, ISO 7064 MOD 11-2: the weight of a digit is 2 to the
// power of its place from the right, modulo 11.
func gb11643(digits string) byte {
	sum := 0
	for i := range len(digits) {
		sum = (sum + int(digits[i]-'0')) * 2 % 11
	}
	return "10X98765432"[sum]
}
