package webtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yipiao/sync/webui"
)

// CheckTexts checks the catalogue texts.json of the package in the working directory against the
// templates and code of dirs: every text that is asked for exists here or in the shared catalogue, every text
// is asked for, and none blames, shouts or says nothing (design: texts, rules).
func CheckTexts(t *testing.T, shared string, dirs ...string) {
	t.Helper()
	own, common := catalogue(t, "texts.json"), catalogue(t, shared)
	asked, source := keysAsked(t, dirs)
	for key := range asked {
		if _, ok := own[key]; !ok {
			if _, ok = common[key]; !ok {
				t.Errorf("text %q is asked for but is not in a catalogue", key)
			}
		}
	}
	for key, text := range own {
		if !asked[key] && !madeUp(source, key) {
			t.Errorf("text %q is in the catalogue but is never asked for", key)
		}
		for _, bad := range []string{"系统错误", "操作失败", "未知异常", "管理员", "您输入", "！", "!", "error"} {
			if strings.Contains(text.Zh, bad) || strings.Contains(text.En, bad) {
				t.Errorf("text %q says %q", key, bad)
			}
		}
		if strings.Count(text.Zh, "{") != strings.Count(text.En, "{") {
			t.Errorf("text %q has different blanks in its languages", key)
		}
	}
}

func catalogue(t *testing.T, file string) webui.Texts {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := webui.Texts{}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// keysAsked collects the keys that stand in templates and code, and returns both as one text.
func keysAsked(t *testing.T, dirs []string) (keys map[string]bool, source string) {
	t.Helper()
	keys = make(map[string]bool)
	key := regexp.MustCompile(`(?:\bT\(|\{\{t )"([a-z0-9_]+(?:\.[a-z0-9_]+)*)"`)
	for _, dir := range dirs {
		for _, pattern := range []string{"*.go", "templates/*.html"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if strings.HasSuffix(file, "_test.go") {
					continue
				}
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source += string(raw)
				for _, m := range key.FindAllStringSubmatch(string(raw), -1) {
					keys[m[1]] = true
				}
			}
		}
	}
	return keys, source
}

// madeUp reports that the key is handed on as a constant or put together in the code, as in
// "fact."+kind or key+".now".
func madeUp(source, key string) bool {
	dot := strings.LastIndexByte(key, '.')
	if strings.Contains(source, `"`+key+`"`) || dot < 0 {
		return strings.Contains(source, `"`+key+`"`)
	}
	begin, end := regexp.QuoteMeta(key[:dot+1]), regexp.QuoteMeta(key[dot:])
	return regexp.MustCompile(`"` + begin + `" ?\+|\+ ?"` + end + `"`).MatchString(source)
}
