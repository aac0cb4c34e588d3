package webui_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yipiao/sync/webui"
)

// tokens reads the colours of a block of the style sheet that begins with the selector.
func tokens(t *testing.T, selector string) map[string]string {
	t.Helper()
	css := string(webui.Assets()["yipiao.css"].Data)
	_, rest, ok := strings.Cut(css, "\n"+selector+"{")
	if !ok {
		t.Fatalf("no block %s", selector)
	}
	block, _, _ := strings.Cut(rest, "}")
	out := make(map[string]string)
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+):(#[0-9a-f]{6})`).FindAllStringSubmatch(block, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// linear is a colour's red, green and blue as amounts of light.
func linear(t *testing.T, hex string) [3]float64 {
	t.Helper()
	var c [3]float64
	var r, g, b int
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &r, &g, &b); err != nil {
		t.Fatalf("colour %q: %v", hex, err)
	}
	for i, v := range []int{r, g, b} {
		x := float64(v) / 255
		if x <= 0.04045 {
			c[i] = x / 12.92
		} else {
			c[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	return c
}

func luminance(c [3]float64) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(linear(t, a)), luminance(linear(t, b))
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// atLeast fails below the number of the design, which is rounded to one digit.
func atLeast(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got < want-0.05 {
		t.Errorf("%s: contrast %.2f, want %.1f", what, got, want)
	}
}

func TestContrast(t *testing.T) {
	verdicts := tokens(t, ":root")
	for name, want := range map[string]float64{"admit": 8.1, "refuse": 7.6, "hold": 10.6, "none": 10.0, "exit": 6.1} {
		atLeast(t, name, contrast(t, verdicts[name], verdicts[name+"-ink"]), want)
	}
	type pair struct{ page, surface float64 }
	themes := map[string]map[string]pair{
		"/* light */\n:root": {
			"ink": {15.7, 17.3}, "ink2": {7.3, 8.1}, "ink3": {4.9, 5.4}, "ctl": {3.3, 3.7}, "accent": {6.5, 7.1},
			"ok": {5.9, 6.5}, "warn": {5.8, 6.4}, "bad": {6.9, 7.6}, "off": {5.4, 6.0},
		},
		":root[data-theme=dark]": {
			"ink": {16.6, 15.2}, "ink2": {9.8, 9.0}, "ink3": {6.5, 6.0}, "ctl": {4.1, 3.8}, "accent": {8.8, 8.1},
			"ok": {8.9, 8.2}, "warn": {10.3, 9.4}, "bad": {7.7, 7.1}, "off": {7.3, 6.7},
		},
	}
	grounds := map[string]float64{"/* light */\n:root": 5.6, ":root[data-theme=dark]": 6.7}
	inverse := map[string]float64{"/* light */\n:root": 17.3, ":root[data-theme=dark]": 16.6}
	for theme, colours := range themes {
		c := tokens(t, theme)
		for name, want := range colours {
			atLeast(t, theme+" "+name+" on the page", contrast(t, c[name], c["bg"]), want.page)
			atLeast(t, theme+" "+name+" on a panel", contrast(t, c[name], c["surface"]), want.surface)
		}
		atLeast(t, theme+" inverse", contrast(t, c["inv"], c["on-inv"]), inverse[theme])
		atLeast(t, theme+" main button", contrast(t, c["accent"], c["on-accent"]), 4.5)
		for ground, text := range map[string]string{"ok-bg": "ok", "warn-bg": "warn", "bad-bg": "bad", "info-bg": "accent"} {
			atLeast(t, theme+" "+text+" on its ground", contrast(t, c[text], c[ground]), min(grounds[theme], 5.6))
		}
		atLeast(t, theme+" text on the grey ground", contrast(t, c["ink2"], c["off-bg"]), 5.6)
	}
}

// lab is CIELAB, D65.
func lab(c [3]float64) [3]float64 {
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.4124564*c[0] + 0.3575761*c[1] + 0.1804375*c[2]) / 0.95047)
	y := f(0.2126729*c[0] + 0.7151522*c[1] + 0.0721750*c[2])
	z := f((0.0193339*c[0] + 0.1191920*c[1] + 0.9503041*c[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// seen is a colour as eyes with a full deficiency see it (Machado, Oliveira, Fernandes 2009).
func seen(c [3]float64, by [9]float64) [3]float64 {
	var out [3]float64
	for i := range out {
		v := by[3*i]*c[0] + by[3*i+1]*c[1] + by[3*i+2]*c[2]
		out[i] = min(max(v, 0), 1)
	}
	return out
}

func TestVerdictsAreToldApartByAllEyes(t *testing.T) {
	eyes := [][9]float64{
		{1, 0, 0, 0, 1, 0, 0, 0, 1},
		{0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
		{0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
		{1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900},
	}
	verdicts := tokens(t, ":root")
	for pair, want := range map[string][4]float64{
		"admit refuse": {115, 43, 46, 121}, "admit hold": {92, 68, 57, 79}, "refuse hold": {73, 54, 72, 55},
	} {
		a, b, _ := strings.Cut(pair, " ")
		for i, by := range eyes {
			x, y := lab(seen(linear(t, verdicts[a]), by)), lab(seen(linear(t, verdicts[b]), by))
			if got := math.Sqrt((x[0]-y[0])*(x[0]-y[0]) + (x[1]-y[1])*(x[1]-y[1]) + (x[2]-y[2])*(x[2]-y[2])); got < want[i]-1 {
				t.Errorf("%s for eyes %d: distance %.0f, want %.0f", pair, i, got, want[i])
			}
		}
	}
}

func TestDarkIsTheSameByChoiceAndBySystem(t *testing.T) {
	css := string(webui.Assets()["yipiao.css"].Data)
	_, bySystem, _ := strings.Cut(css, "{:root:not([data-theme=light]){")
	bySystem, _, _ = strings.Cut(bySystem, "}")
	_, byChoice, _ := strings.Cut(css, "\n:root[data-theme=dark]{")
	byChoice, _, _ = strings.Cut(byChoice, "}")
	if bySystem == "" || bySystem != byChoice {
		t.Error("the two dark blocks differ")
	}
}

func TestAssetsAreSmallAndLoadNothingElse(t *testing.T) {
	limits := map[string]int{"yipiao.css": 10 << 10, "live.js": 20 << 10, "icon.svg": 1 << 10}
	for name, a := range webui.Assets() {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(a.Data)
		_ = w.Close()
		t.Logf("%s: %d bytes, %d compressed", name, len(a.Data), z.Len())
		if z.Len() > limits[name] {
			t.Errorf("%s: %d bytes compressed, at most %d", name, z.Len(), limits[name])
		}
		if bytes.Contains(a.Data, []byte("@import")) || bytes.Contains(a.Data, []byte("url(")) || a.Type == "" {
			t.Errorf("%s loads something or has no type", name)
		}
	}
	if webui.Version() == "" {
		t.Error("no steady version")
	}
}

// TestStylesAreUsed keeps the style sheet to what pages use.
func TestStylesAreUsed(t *testing.T) {
	css := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(webui.Assets()["yipiao.css"].Data), "")
	used := string(webui.Assets()["live.js"].Data)
	for _, dir := range []string{".", "../../edge/internal/maint", "../../cloud/internal/console"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(p string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(p) != ".html" && filepath.Ext(p) != ".go" || strings.HasSuffix(p, "_test.go") {
				return err
			}
			raw, err := os.ReadFile(filepath.Join(dir, p))
			used += string(raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	words := make(map[string]bool)
	for _, w := range regexp.MustCompile(`[a-z][a-z0-9-]*`).FindAllString(used, -1) {
		words[w] = true
	}
	for _, m := range regexp.MustCompile(`\.([a-z][a-z0-9-]*)`).FindAllStringSubmatch(css, -1) {
		switch class := m[1]; class {
		case "v-admit", "v-refuse", "v-hold", "v-exit": // joined by the code from v- and an outcome
		default:
			if !words[class] {
				t.Errorf("class %q is styled but not used", class)
			}
		}
	}
}
