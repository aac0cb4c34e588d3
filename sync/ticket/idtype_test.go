package ticket_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"yipiao/sync/ticket"
)

// TestIDTypes_AllOfShow6331: the eight types that SHOW-6.3.3.1 and SHOW-E.2.3-a name are there, each with its name.
func TestIDTypes_AllOfShow6331(t *testing.T) {
	want := map[ticket.IDType]string{
		ticket.IDResident: "身份证", ticket.IDPassport: "护照", ticket.IDHKMPermit: "港澳居民来往内地通行证",
		ticket.IDTWPermit: "台湾地区来往大陆通行证", ticket.IDMilitary: "士兵或军官证", ticket.IDTWResidence: "台湾居民居住证",
		ticket.IDHKPassport: "香港特别行政区护照", ticket.IDMOPassport: "澳门特别行政区护照",
		ticket.IDHKMResidence: "港澳居民居住证", ticket.IDForeigner: "外国人永久居留身份证",
	}
	types := ticket.IDTypes()
	if len(types) != len(want) || types[0] != ticket.IDResident {
		t.Errorf("types %v", types)
	}
	for _, typ := range types {
		zh, en := typ.Title()
		if !strings.Contains(zh, want[typ]) || want[typ] == "" || en == "" || strings.ContainsFunc(en, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s: %q, %q", typ, zh, en)
		}
	}
}

// TestCheckID is SHOW-E.2.3-b: a number that its type can have is taken, any other refused.
func TestCheckID(t *testing.T) {
	const (
		form  = "bad_id_form"
		date  = "bad_id_date"
		digit = "bad_id_check_digit"
	)
	cases := []struct {
		typ    ticket.IDType
		number string
		want   string // normalised, where it is good
		code   string // where it is not
	}{
		{ticket.IDResident, "11010519491231002X", "11010519491231002X", ""},
		{ticket.IDResident, " １１０１０５ 19491231 002x", "11010519491231002X", ""},
		{ticket.IDResident, "11010520000229003X", "11010520000229003X", ""},
		{ticket.IDResident, "110105194912310021", "", digit},
		{ticket.IDResident, "11010519491231020X", "", digit}, // two digits changed places
		{ticket.IDResident, "11010519490229002X", "", date},
		{ticket.IDResident, "110105491231002", "", form},
		{ticket.IDResident, "01010519491231002X", "", form},
		{ticket.IDResident, "", "", form},
		{ticket.IDResident, "11010519491231002X1", "", form},

		{ticket.IDPassport, "E12345678", "E12345678", ""},
		{ticket.IDPassport, "ea1234567", "EA1234567", ""},
		{ticket.IDPassport, "G12345678", "G12345678", ""},
		{ticket.IDPassport, "L898902C3", "L898902C3", ""}, // foreign
		{ticket.IDPassport, "1234", "", form},
		{ticket.IDPassport, "E123456789012345678", "", form},
		{ticket.IDPassport, "E1234567号", "", form},

		{ticket.IDHKMPermit, "H12345678", "H12345678", ""},
		{ticket.IDHKMPermit, "M1234567801", "M1234567801", ""},
		{ticket.IDHKMPermit, "C12345678", "", form},
		{ticket.IDHKMPermit, "H123456789", "", form},

		{ticket.IDTWPermit, "12345678", "12345678", ""},
		{ticket.IDTWPermit, "0012345678(B)", "0012345678B", ""},
		{ticket.IDTWPermit, "0012345678（Ｂ）", "0012345678B", ""},
		{ticket.IDTWPermit, "1234567", "", form},
		{ticket.IDTWPermit, "123456789", "", form},

		{ticket.IDMilitary, "军字第12345678号", "军字第12345678号", ""},
		{ticket.IDMilitary, "士字第1234", "士字第1234", ""},
		{ticket.IDMilitary, "文字第 1234567", "文字第1234567", ""},
		{ticket.IDMilitary, "12345678", "12345678", ""},
		{ticket.IDMilitary, "军字第123", "", form},
		{ticket.IDMilitary, "海字第12345678", "", form},

		{ticket.IDTWResidence, "830000197701011113", "830000197701011113", ""},
		{ticket.IDTWResidence, "830000197701011112", "", digit},
		{ticket.IDTWResidence, "810000199408230021", "", form},
		{ticket.IDTWResidence, "830000197702301113", "", date},

		{ticket.IDHKPassport, "H12345678", "H12345678", ""},
		{ticket.IDHKPassport, "KJ1234567", "KJ1234567", ""},
		{ticket.IDHKPassport, "K123456", "", form},

		{ticket.IDMOPassport, "MA1234567", "MA1234567", ""},
		{ticket.IDMOPassport, "M1234567", "", form},

		{ticket.IDHKMResidence, "810000199408230021", "810000199408230021", ""},
		{ticket.IDHKMResidence, "810000199408230022", "", digit},
		{ticket.IDHKMResidence, "830000197701011113", "", form},

		{ticket.IDForeigner, "911124198108030024", "911124198108030024", ""},
		{ticket.IDForeigner, "911124198108030025", "", digit},
		{ticket.IDForeigner, "CAN110101010101", "CAN110101010101", ""},
		{ticket.IDForeigner, "CAN11010101010", "", form},
		{ticket.IDForeigner, "11010519491231002X", "", form},
		{"library", "1234", "", "unknown_id_type"},
	}
	for _, c := range cases {
		got, err := ticket.CheckID(c.typ, c.number)
		var f *ticket.FieldError
		switch {
		case c.code == "" && (err != nil || got != c.want):
			t.Errorf("%s %q: %q, %v, want %q", c.typ, c.number, got, err, c.want)
		case c.code != "" && (!errors.As(err, &f) || f.Code != c.code || got != ""):
			t.Errorf("%s %q: %q, %v, want %s", c.typ, c.number, got, err, c.code)
		case c.code != "" && c.number != "" && strings.Contains(err.Error(), c.number):
			t.Errorf("%s: the error repeats the number", c.typ)
		}
	}
}

// TestCheckID_AnyDigitChanged: a wrong digit of a number with a check digit is always found.
func TestCheckID_AnyDigitChanged(t *testing.T) {
	const good = "11010519491231002X"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			if good[i] == d {
				continue
			}
			if _, err := ticket.CheckID(ticket.IDResident, good[:i]+string(d)+good[i+1:]); err == nil {
				t.Errorf("digit %d changed to %c was taken", i+1, d)
			}
		}
	}
}

func FuzzCheckID(f *testing.F) {
	f.Add("resident", "11010519491231002X")
	f.Add("tw_permit", "0012345678（B）")
	f.Add("military", "军字第12345678号")
	f.Fuzz(func(t *testing.T, typ, number string) {
		n, err := ticket.CheckID(ticket.IDType(typ), number)
		if err != nil {
			return
		}
		again, err := ticket.CheckID(ticket.IDType(typ), n)
		if err != nil || again != n {
			t.Errorf("%s: a good number is not its own normal form: %v", typ, err)
		}
	})
}
