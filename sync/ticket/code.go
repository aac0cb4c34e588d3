package ticket

import (
	"strconv"
	"strings"
	"time"
)

// HallCode is the 11-digit code of a hall (WH/T 93-2021 Annex B): province 2, city 2, county 2,
// venue serial 3, hall serial 2. It is supplied by the information platform (SHOW-3.12).
type HallCode string

// SessionCode is the 21-digit code of a session (Annex C): hall code 11, year 4, month 2, day 2,
// ordinal of the session in that hall on that day 2 (AMB-03).
type SessionCode string

// TicketCode is a session code followed by an identifier unique in the session, at most 50 bytes
// (SHOW-6.1.5).
type TicketCode string

// TypeID is the 4-digit performance type of Annex D.
type TypeID string

// MaxTicketCode is the largest length of a ticket code in bytes.
const MaxTicketCode = 50

// provinces are the first two digits of GB/T 2260 codes.
const provinces = " 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 "

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Validate checks length, digits, province and that the serials are not zero.
func (c HallCode) Validate() error {
	s := string(c)
	switch {
	case len(s) != 11 || !digits(s):
		return &FieldError{"hall_code", "11 位数字 (11 digits, Annex B)", "bad_hall_code"}
	case !strings.Contains(provinces, " "+s[:2]+" "):
		return &FieldError{"hall_code", "GB/T 2260 省级代码开头 (a province of GB/T 2260)", "bad_hall_code_province"}
	case s[6:9] == "000" || s[9:] == "00":
		return &FieldError{"hall_code", "场所序号 001–999、场厅序号 01–99 (serials from 1)", "bad_hall_code_serial"}
	}
	return nil
}

// NewSessionCode builds the code of the n-th session (1 to 99) of a hall on the day of start.
func NewSessionCode(hall HallCode, start time.Time, n int) (SessionCode, error) {
	if n < 1 || n > 99 {
		return "", &FieldError{"session_ordinal", "1–99", "bad_session_ordinal"}
	}
	c := SessionCode(string(hall) + start.In(Shanghai()).Format("20060102") + two(n))
	return c, c.Validate()
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// Validate checks the hall code, a real date from 1980 on, and an ordinal from 01.
func (c SessionCode) Validate() error {
	s := string(c)
	if len(s) != 21 || !digits(s) {
		return &FieldError{"session_code", "21 位数字 (21 digits, Annex C)", "bad_session_code"}
	}
	if err := c.Hall().Validate(); err != nil {
		return err
	}
	day, err := time.Parse("20060102", s[11:19])
	if err != nil || day.Year() < 1980 {
		return &FieldError{"session_code", "第 12–19 位为真实日期 YYYYMMDD (a real date)", "bad_session_code_date"}
	}
	if s[19:] == "00" {
		return &FieldError{"session_code", "第 20–21 位为 01–99 (ordinal from 01)", "bad_session_code_ordinal"}
	}
	return nil
}

// Hall is the hall code inside; the session code must be valid.
func (c SessionCode) Hall() HallCode { return HallCode(c[:11]) }

// Session is the session code inside; the ticket code must be valid.
func (c TicketCode) Session() SessionCode { return SessionCode(c[:21]) }

// Validate checks the session code, that an identifier follows, its characters and the length.
// The identifier is limited to letters, digits and hyphens, which print and scan everywhere.
func (c TicketCode) Validate() error {
	s := string(c)
	if len(s) <= 21 || len(s) > MaxTicketCode {
		return &FieldError{"ticket_code", "21 位场次编码加唯一标识，共 22–50 字节 (22 to 50 bytes)", "bad_ticket_code_length"}
	}
	if err := c.Session().Validate(); err != nil {
		return err
	}
	for _, r := range s[21:] {
		ok := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-'
		if !ok {
			return &FieldError{"ticket_code", "唯一标识只含字母、数字、连字符 (letters, digits, hyphen)", "bad_ticket_code_id"}
		}
	}
	return nil
}

// typeNames are the labels of Annex D; AMB-04: an undefined subtype of the first four ends in 00.
var typeNames = map[TypeID]string{
	"1000": "戏剧（未分）", "1001": "话剧", "1002": "儿童剧", "1003": "音乐剧", "1004": "歌剧", "1005": "戏曲",
	"2000": "音乐（未分）", "2001": "音乐会", "2002": "音乐节", "2003": "演唱会",
	"3000": "舞蹈（未分）", "3001": "舞蹈", "3002": "舞剧",
	"4000": "曲杂（未分）", "4001": "相声", "4002": "鼓曲", "4003": "评书", "4004": "二人转", "4005": "杂技", "4006": "其他曲种",
	"5000": "综艺", "6000": "其他",
}

// Validate checks that the type is one of Annex D.
func (t TypeID) Validate() error {
	if _, ok := typeNames[t]; !ok {
		return &FieldError{"type_id", "附录 D 的 4 位演出类型编码 (a type of Annex D)", "bad_type_id"}
	}
	return nil
}

// Name is the Chinese label of Annex D, or "" for an unknown type.
func (t TypeID) Name() string { return typeNames[t] }
