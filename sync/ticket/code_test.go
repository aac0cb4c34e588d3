package ticket_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"yipiao/sync/ticket"
)

// fieldOf is the field and code that an error of a validation names, or "".
func fieldOf(err error) (field, code string) {
	var f *ticket.FieldError
	if errors.As(err, &f) {
		return f.Field, f.Code
	}
	return "", ""
}

func check(t *testing.T, err error, field, code string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	gotField, gotCode := fieldOf(err)
	if gotField != field || gotCode != code {
		t.Fatalf("got %v, want field %s, code %s", err, field, code)
	}
	if text := err.Error(); !strings.Contains(text, field) || !strings.Contains(text, code) {
		t.Fatalf("%q does not name %s and %s", text, field, code)
	}
}

func TestHallCode_SHOW_6_1_3(t *testing.T) {
	for _, c := range []struct{ name, code, want string }{
		{"Beijing", "11010100101", ""},
		{"largest serials", "44030699999", ""},
		{"Xinjiang", "65010200101", ""},
		{"Taiwan", "71000000101", ""},
		{"Hong Kong", "81000000101", ""},
		{"Macau", "82000000101", ""},
		{"empty", "", "bad_hall_code"},
		{"ten digits", "1101010010", "bad_hall_code"},
		{"twelve digits", "110101001011", "bad_hall_code"},
		{"a letter", "1101010010A", "bad_hall_code"},
		{"full-width digit in eleven bytes", "11010100１1", "bad_hall_code"},
		{"space", "11010100 01", "bad_hall_code"},
		{"sign", "+1010100101", "bad_hall_code"},
		{"no such province", "10010100101", "bad_hall_code_province"},
		{"province 16", "16010100101", "bad_hall_code_province"},
		{"province 00", "00010100101", "bad_hall_code_province"},
		{"province 99", "99010100101", "bad_hall_code_province"},
		{"two provinces read across", "12130100101", ""},
		{"venue serial 000", "11010100001", "bad_hall_code_serial"},
		{"hall serial 00", "11010100100", "bad_hall_code_serial"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, ticket.HallCode(c.code).Validate(), "hall_code", c.want) })
	}
}

func TestHallCode_ThirtyFourProvinces_SHOW_6_1_3(t *testing.T) {
	n := 0
	for i := range 100 {
		code := string([]byte{byte('0' + i/10), byte('0' + i%10)}) + "010100101"
		if ticket.HallCode(code).Validate() == nil {
			n++
		}
	}
	if n != 34 {
		t.Fatalf("%d provinces, China has 34 at this level", n)
	}
}

func TestSessionCode_SHOW_6_1_4(t *testing.T) {
	const hall = "11010100101"
	for _, c := range []struct{ name, code, field, want string }{
		{"ordinary", hall + "2026052001", "", ""},
		{"ordinal 99", hall + "2026052099", "", ""},
		{"29 February of a leap year", hall + "2028022901", "", ""},
		{"29 February 2000", hall + "2000022901", "", ""},
		{"first day that counts", hall + "1980010101", "", ""},
		{"29 February of another year", hall + "2026022901", "session_code", "bad_session_code_date"},
		{"29 February 2100", hall + "2100022901", "session_code", "bad_session_code_date"},
		{"31 April", hall + "2026043101", "session_code", "bad_session_code_date"},
		{"month 13", hall + "2026130101", "session_code", "bad_session_code_date"},
		{"month 00", hall + "2026000101", "session_code", "bad_session_code_date"},
		{"day 00", hall + "2026050001", "session_code", "bad_session_code_date"},
		{"before 1980", hall + "1979123101", "session_code", "bad_session_code_date"},
		{"ordinal 00", hall + "2026052000", "session_code", "bad_session_code_ordinal"},
		{"20 digits", hall + "202605200", "session_code", "bad_session_code"},
		{"22 digits", hall + "20260520011", "session_code", "bad_session_code"},
		{"a letter", hall + "202605200x", "session_code", "bad_session_code"},
		{"empty", "", "session_code", "bad_session_code"},
		{"bad province inside", "10010100101" + "2026052001", "hall_code", "bad_hall_code_province"},
		{"hall serial 00 inside", "11010100100" + "2026052001", "hall_code", "bad_hall_code_serial"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, ticket.SessionCode(c.code).Validate(), c.field, c.want) })
	}
}

func TestNewSessionCode_CutsTheDayInShanghai_SHOW_6_1_4(t *testing.T) {
	start := time.Date(2026, 5, 19, 16, 30, 0, 0, time.UTC) // half past midnight on the 20th
	got, err := ticket.NewSessionCode("11010100101", start, 3)
	if err != nil || got != "110101001012026052003" {
		t.Fatalf("got %s, %v", got, err)
	}
	if got.Hall() != "11010100101" {
		t.Fatalf("hall %s", got.Hall())
	}
	for _, n := range []int{-1, 0, 100} {
		_, err := ticket.NewSessionCode("11010100101", start, n)
		check(t, err, "session_ordinal", "bad_session_ordinal")
	}
	for n, want := range map[int]string{1: "01", 9: "09", 10: "10", 99: "99"} {
		if got, err := ticket.NewSessionCode("11010100101", start, n); err != nil || string(got[19:]) != want {
			t.Fatalf("ordinal %d: %s, %v", n, got, err)
		}
	}
	_, err = ticket.NewSessionCode("1101010010", start, 1)
	check(t, err, "session_code", "bad_session_code")
}

func TestTicketCode_SHOW_6_1_5(t *testing.T) {
	const session = "110101001012026052001"
	for _, c := range []struct{ name, code, field, want string }{
		{"one more than the session", session + "1", "", ""},
		{"50 bytes", session + strings.Repeat("A", 29), "", ""},
		{"letters, digits, hyphen", session + "Az09-z", "", ""},
		{"51 bytes", session + strings.Repeat("A", 30), "ticket_code", "bad_ticket_code_length"},
		{"no identifier", session, "ticket_code", "bad_ticket_code_length"},
		{"empty", "", "ticket_code", "bad_ticket_code_length"},
		{"Chinese within 50 bytes", session + "票", "ticket_code", "bad_ticket_code_id"},
		{"broken UTF-8", session + "\xff", "ticket_code", "bad_ticket_code_id"},
		{"space", session + "1 2", "ticket_code", "bad_ticket_code_id"},
		{"NUL", session + "\x00", "ticket_code", "bad_ticket_code_id"},
		{"underscore", session + "a_b", "ticket_code", "bad_ticket_code_id"},
		{"bad date inside", "110101001012026022901" + "1", "session_code", "bad_session_code_date"},
		{"bad province inside", "100101001012026052001" + "1", "hall_code", "bad_hall_code_province"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, ticket.TicketCode(c.code).Validate(), c.field, c.want) })
	}
	if got := ticket.TicketCode(session + "77").Session(); got != session {
		t.Fatalf("session %s", got)
	}
}

// The labels of Annex D, from the standard's table; AMB-04 adds 1000, 2000, 3000 and 4000.
func TestTypeID_SHOW_6_1_6(t *testing.T) {
	labels := map[ticket.TypeID]string{
		"1001": "话剧", "1002": "儿童剧", "1003": "音乐剧", "1004": "歌剧", "1005": "戏曲",
		"2001": "音乐会", "2002": "音乐节", "2003": "演唱会", "3001": "舞蹈", "3002": "舞剧",
		"4001": "相声", "4002": "鼓曲", "4003": "评书", "4004": "二人转", "4005": "杂技", "5000": "综艺", "6000": "其他",
	}
	for id, label := range labels {
		if err := id.Validate(); err != nil || id.Name() != label {
			t.Errorf("%s: %q, %v, want %q", id, id.Name(), err, label)
		}
	}
	for _, id := range []ticket.TypeID{"1000", "2000", "3000", "4000", "4006"} {
		if id.Validate() != nil || id.Name() == "" {
			t.Errorf("%s is not accepted", id)
		}
	}
	for _, id := range []ticket.TypeID{"", "0000", "1006", "2004", "3003", "4007", "5001", "6001", "7000", "100", "10010", "1O01", " 1001"} {
		check(t, id.Validate(), "type_id", "bad_type_id")
		if id.Name() != "" {
			t.Errorf("%q is called %q", id, id.Name())
		}
	}
}
