package ticket_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"yipiao/sync/ticket"
)

func TestFen_IsShownInYuan(t *testing.T) {
	for fen, want := range map[ticket.Fen]string{
		0: "¥0.00", 1: "¥0.01", 99: "¥0.99", 100: "¥1.00", 28000: "¥280.00", 28005: "¥280.05",
		-1: "-¥0.01", -28050: "-¥280.50", math.MaxInt64: "¥92233720368547758.07", math.MinInt64: "-¥92233720368547758.08",
	} {
		if got := fen.String(); got != want {
			t.Errorf("%d fen: %s, want %s", int64(fen), got, want)
		}
	}
}

func TestStationID_IsShownAsPeopleKnowIt(t *testing.T) {
	for id, want := range map[ticket.StationID]string{1: "S-0001", 9999: "S-9999", 12345: "S-12345"} {
		if got := id.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestNonce_Text(t *testing.T) {
	n := ticket.Nonce{0: 0x01, 7: 0xab, 15: 0xff}
	const text = "01000000000000ab00000000000000ff"
	raw, err := json.Marshal(n)
	if err != nil || string(raw) != `"`+text+`"` {
		t.Fatalf("%s, %v", raw, err)
	}
	var back ticket.Nonce
	for _, in := range []string{text, strings.ToUpper(text)} {
		if err := back.UnmarshalText([]byte(in)); err != nil || back != n {
			t.Fatalf("%s: %x, %v", in, back, err)
		}
	}
	if n.IsZero() || !(ticket.Nonce{}).IsZero() {
		t.Fatal("IsZero")
	}
	for _, bad := range []string{"", "0", text[:31], text + "0", text[:31] + "g", text[:30] + "票"} {
		check(t, back.UnmarshalText([]byte(bad)), "nonce", "bad_nonce")
		err := json.Unmarshal([]byte(`"`+bad+`"`), &back)
		check(t, err, "nonce", "bad_nonce") // through a decoder too
	}
}

func TestHash_Text(t *testing.T) {
	h := ticket.PayloadHash("YP1:A")
	text, err := h.MarshalText()
	if err != nil || len(text) != 32 || strings.ToLower(string(text)) != string(text) {
		t.Fatalf("%s, %v", text, err)
	}
	var back ticket.Hash
	if err := back.UnmarshalText(text); err != nil || back != h {
		t.Fatalf("%x, %v", back, err)
	}
	for _, bad := range []string{"", string(text[:30]), string(text) + "00", string(text[:31]) + "z"} {
		if back.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTime_IsInShanghai(t *testing.T) {
	at := ticket.Time(time.Date(2026, 5, 20, 18, 30, 0, 0, time.UTC).UnixMilli())
	if got := at.Format("2006-01-02 15:04 -0700"); got != "2026-05-21 02:30 +0800" {
		t.Fatal(got)
	}
}
