package ticket_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"yipiao/sync/ticket"
)

// constants are the values of all constants of type Reason in reason.go.
func constants(t *testing.T) map[ticket.Reason]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[ticket.Reason]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			v, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil || out[ticket.Reason(v)] {
				t.Errorf("%s: %v, or twice", spec.Names[0].Name, err)
			}
			out[ticket.Reason(v)] = true
		}
		return true
	})
	if len(out) < 30 {
		t.Fatalf("only %d constants found", len(out))
	}
	return out
}

func TestReasons_CatalogueAndConstantsAreTheSame(t *testing.T) {
	texts := ticket.Reasons()
	for r := range constants(t) {
		if _, ok := texts[r]; !ok {
			t.Errorf("%s is not in reasons.json", r)
		}
	}
	for r := range texts {
		if !constants(t)[r] {
			t.Errorf("%s of reasons.json is no constant", r)
		}
	}
}

// TestReasons_FileIsStrict: no key twice, no unknown field.
func TestReasons_FileIsStrict(t *testing.T) {
	raw, err := os.ReadFile("reasons.json")
	if err != nil {
		t.Fatal(err)
	}
	for r := range ticket.Reasons() {
		if n := strings.Count(string(raw), "\""+string(r)+"\": {"); n != 1 {
			t.Errorf("%s stands %d times in reasons.json", r, n)
		}
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	var texts map[ticket.Reason]ticket.Text
	if err := dec.Decode(&texts); err != nil {
		t.Fatal(err)
	}
}

// filled are verdicts with blanks as long as they get in practice, so that lengths are honest.
func filled(r ticket.Reason) ticket.Verdict {
	at := time.Date(2026, 12, 31, 19, 45, 0, 0, ticket.Shanghai())
	return ticket.Verdict{Reason: r, N: 12, Of: 12, AtMs: at.UnixMilli(), Where: "三层B厅"}
}

// width counts what takes a Chinese character's room: two of Latin letters, digits and marks count one.
func width(s string) int {
	wide, narrow := 0, 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Han, r) || r > 0x2000:
			wide++
		default:
			narrow++
		}
	}
	return wide + (narrow+1)/2
}

// forbidden are the words of ui.md section 6.1 that say nothing or blame.
var forbidden = []string{
	"系统错误", "操作失败", "未知异常", "请联系管理员", "您输入的", "HTTP", "502", "!", "！",
	"system error", "unknown error", "operation failed", "exception", "administrator", "your ", "you entered",
}

func TestReasons_TextsFollowTheRules(t *testing.T) {
	for r := range ticket.Reasons() {
		v := filled(r)
		text := v.Text()
		if text.Zh == "" || text.En == "" {
			t.Errorf("%s: a language is missing", r)
		}
		if (text.HintZh == "") != (text.HintEn == "") {
			t.Errorf("%s: the hint is missing in one language", r)
		}
		if o := text.Outcome; (o == ticket.OutcomeRefuse || o == ticket.OutcomeHold) && text.HintZh == "" {
			t.Errorf("%s: refused or held without a hint", r)
		}
		for _, zh := range []string{text.Zh, text.HintZh} {
			if width(zh) > 16 {
				t.Errorf("%s: %q is %d wide, at most 16", r, zh, width(zh))
			}
		}
		for _, en := range []string{text.En, text.HintEn} {
			if n := len(strings.Fields(en)); n > 8 {
				t.Errorf("%s: %q has %d words, at most 8", r, en, n)
			}
		}
		for _, s := range []string{text.Zh, text.En, text.HintZh, text.HintEn} {
			for _, word := range forbidden {
				if strings.Contains(strings.ToLower(s), strings.ToLower(word)) {
					t.Errorf("%s: %q contains %q", r, s, word)
				}
			}
			if strings.ContainsAny(s, "{}") {
				t.Errorf("%s: %q has a blank that nothing fills", r, s)
			}
			if strings.TrimSpace(s) != s || strings.Contains(s, "  ") {
				t.Errorf("%s: %q has stray spaces", r, s)
			}
		}
	}
}

func TestReasons_OutcomesAreKnown(t *testing.T) {
	known := map[ticket.Outcome]bool{
		ticket.OutcomeAdmit: true, ticket.OutcomeRefuse: true, ticket.OutcomeHold: true, ticket.OutcomeExit: true,
	}
	for r, text := range ticket.Reasons() {
		if !known[text.Outcome] || r.Outcome() != text.Outcome {
			t.Errorf("%s: outcome %q", r, text.Outcome)
		}
		if text.Flag && text.Outcome != ticket.OutcomeAdmit {
			t.Errorf("%s: flagged, but not admitted", r)
		}
	}
	if o := ticket.Reason("from_the_future").Outcome(); o != ticket.OutcomeRefuse {
		t.Errorf("an unknown reason is %s: nobody may pass on it", o)
	}
}

// The legal sentence is written out here a second time.
func TestMaxEntries_SaysTheLegalSentence_SHOW_E_2_7_c(t *testing.T) {
	const want = "演出票检票次数超过演出票务系统设置的最大值，不可再次检票入场"
	if ticket.MaxEntriesSentence != want {
		t.Errorf("constant %q", ticket.MaxEntriesSentence)
	}
	for r, text := range ticket.Reasons() {
		switch {
		case r == ticket.MaxEntries && text.Legal != want:
			t.Errorf("catalogue %q", text.Legal)
		case r != ticket.MaxEntries && text.Legal != "":
			t.Errorf("%s carries a legal sentence", r)
		}
	}
	if got := filled(ticket.MaxEntries).Text().Legal; got != want {
		t.Errorf("shown %q", got)
	}
}

func TestVerdict_TextFillsTheBlanks(t *testing.T) {
	for r, want := range map[ticket.Reason]string{
		ticket.Admitted:     "第 12 次入场（共可 12 次）",
		ticket.TooEarly:     "未到入场：19:45 开始",
		ticket.WrongSession: "场次不对：12-31 19:45",
		ticket.WrongHall:    "厅不对：请去三层B厅",
	} {
		if got := filled(r).Text().Zh; got != want {
			t.Errorf("%s: %q, want %q", r, got, want)
		}
	}
	if got := (ticket.Verdict{Reason: "from_the_future"}).Text(); got.Outcome != ticket.OutcomeRefuse || got.Zh == "" || got.En == "" {
		t.Errorf("an unknown reason: %+v", got)
	}
}

// Faults and "in a moment" must not become the last word under a nonce (sync.md section 3).
func TestReason_FaultsAreNeverFinal(t *testing.T) {
	passing := map[ticket.Reason]bool{
		ticket.StationFault: true, ticket.GateBusy: true, ticket.NonceConflict: true, ticket.CustodyMoving: true,
	}
	for r := range ticket.Reasons() {
		if r.Final() == passing[r] {
			t.Errorf("%s: final = %v", r, r.Final())
		}
	}
}
