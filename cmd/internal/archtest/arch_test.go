package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

const (
	root   = "../../.."
	module = "yipiao/"
)

// A source is one parsed Go file.
type source struct {
	path string // from the root, with slashes
	dir  string
	test bool
	file *ast.File
	set  *token.FileSet
	text string
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if d.IsDir() {
			if rel == "bin" || rel == "var" || strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, rel, text, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		out = append(out, source{rel, dir, strings.HasSuffix(rel, "_test.go"), f, set, string(text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("found %d Go files: the test looks at the wrong place", len(out))
	}
	return out
}

// table returns the cells of the rows of the Markdown table whose header begins with first.
func table(t *testing.T, first string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	in := false
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "|") {
			in = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch {
		case strings.TrimSpace(cells[0]) == first:
			in = true
		case in && !strings.HasPrefix(line, "|---"):
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("docs/ARCHITECTURE.md has no table %q", first)
	}
	return rows
}

func list(cell string) []string {
	var out []string
	for _, s := range strings.Split(cell, ",") {
		if s = strings.TrimSpace(s); s != "" && s != "–" {
			out = append(out, s)
		}
	}
	return out
}

func within(pkg, path string) bool { return pkg == path || strings.HasPrefix(pkg, path+"/") }

func anyWithin(pkg string, paths []string) bool {
	for _, p := range paths {
		if within(pkg, p) {
			return true
		}
	}
	return false
}

func TestImportTable(t *testing.T) {
	rows := table(t, "package")
	sort.Slice(rows, func(i, j int) bool { return len(rows[i][0]) > len(rows[j][0]) })
	for _, s := range sources(t) {
		var row []string
		for _, r := range rows {
			if within(s.dir, r[0]) {
				row = r
				break
			}
		}
		if row == nil {
			t.Errorf("%s: no row of the import table covers package %s", s.path, s.dir)
			continue
		}
		allowed := append(list(row[1]), row[0])
		if s.test {
			allowed = append(allowed, list(row[3])...)
		}
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if own, ok := strings.CutPrefix(path, module); ok && !anyWithin(own, allowed) {
				t.Errorf("%s imports %s; %s may import %s: %s", s.path, own, row[0], row[1], row[2])
			}
		}
	}
}

func TestModulesWithOneHome(t *testing.T) {
	for _, row := range table(t, "module") {
		homes := list(row[1])
		for _, s := range sources(t) {
			for _, spec := range s.file.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				if !within(path, row[0]) || s.test || home(s.dir, homes) {
					continue
				}
				t.Errorf("%s imports %s, which only %s may: %s", s.path, path, row[1], row[2])
			}
		}
	}
}

// home reports whether dir is a listed package; a facade ("edge", "cloud") covers only itself.
func home(dir string, homes []string) bool {
	for _, h := range homes {
		if dir == h || strings.Contains(h, "/") && within(dir, h) || h == "firmware-sim" && within(dir, h) {
			return true
		}
	}
	return false
}

func TestEveryPackageHasAComment(t *testing.T) {
	has, seen := make(map[string]bool), make(map[string]string)
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		seen[s.dir] = s.path
		if s.file.Doc != nil && len(s.file.Doc.Text()) > 40 {
			has[s.dir] = true
		}
	}
	for dir := range seen {
		if !has[dir] {
			t.Errorf("package %s has no comment that says what it is for", dir)
		}
	}
}

func TestNoGoFileInSync(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "sync" || s.dir == "." {
			t.Errorf("%s: no Go file belongs there", s.path)
		}
	}
}

func TestLengths(t *testing.T) {
	for _, s := range sources(t) {
		limit := 400
		if s.test {
			limit = 600
		}
		if n := strings.Count(s.text, "\n"); n > limit {
			t.Errorf("%s has %d lines, at most %d", s.path, n, limit)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.test {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line; n > 60 {
				t.Errorf("%s: function %s has %d lines, at most 60", s.path, f.Name.Name, n)
			}
		}
	}
}

// pure packages take the time as a parameter.
var pure = []string{"sync/ticket", "sync/journal", "sync/hub", "sync/replica"}

func TestForbiddenCalls(t *testing.T) {
	now := regexp.MustCompile(`\btime\.Now\(`)
	sleep := regexp.MustCompile(`\btime\.Sleep\(`)
	for _, s := range sources(t) {
		if !s.test && anyWithin(s.dir, pure) && now.MatchString(s.text) {
			t.Errorf("%s: time.Now in a pure package; take the time as a parameter", s.path)
		}
		if s.test && s.dir != "cmd/internal/archtest" && sleep.MatchString(s.text) {
			t.Errorf("%s: time.Sleep in a test; wait for a condition", s.path)
		}
		if s.test && strings.Contains(s.text, "t.Skip") && s.dir != "cmd/internal/archtest" {
			t.Errorf("%s: a skipped test", s.path)
		}
		for _, spec := range s.file.Imports {
			if spec.Path.Value == `"log"` {
				t.Errorf("%s: standard log; take the injected *slog.Logger", s.path)
			}
		}
	}
}

// TestDriversAreComplete: a driver is one folder, one line in drivers/all, vectors, and a page.
func TestDriversAreComplete(t *testing.T) {
	helpers := map[string]bool{"all": true, "port": true, "drivertest": true, "vectors": true, "internal": true, "modbus": true, "face": true, "bus": true}
	all, err := os.ReadFile(filepath.Join(root, "drivers/all/all.go"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "drivers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || helpers[e.Name()] {
			continue
		}
		if !strings.Contains(string(all), `"yipiao/drivers/`+e.Name()+`"`) {
			t.Errorf("drivers/%s is not registered in drivers/all", e.Name())
		}
		for _, path := range []string{"drivers/" + e.Name() + "/README.md", "docs/protocols/" + e.Name() + ".md", "drivers/vectors/" + e.Name()} {
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("drivers/%s: %s is missing", e.Name(), path)
			}
		}
	}
}
