package all_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/all"
	"yipiao/drivers/drivertest"
)

// suites are packages that run the situations for the drivers which run them.
var suites = []string{"drivertest/tagtest", "drivertest/commandtest"}

// printing tests all printers' drivers together.
const printing = "internal/printing"

func kinds() []string {
	var r drivers.Registry
	all.Register(&r)
	return r.Names()
}

// TestEveryKindIsPutIntoEverySituation: the tests of each registered kind run drivertest.Situations, which leaves out
// nothing but what the table of exceptions excuses, with a reason, for a kind that there is.
func TestEveryKindIsPutIntoEverySituation(t *testing.T) {
	for _, s := range suites {
		if !files(t, s).call("drivertest.Situations") {
			t.Errorf("drivers/%s does not run the situations", s)
		}
	}
	printers := files(t, printing)
	for _, name := range kinds() {
		tests := files(t, name)
		runs := tests.call("drivertest.Situations") || printers.call("drivertest.Situations") && printers.call(name+".Kind")
		for _, s := range suites {
			runs = runs || tests.imports("yipiao/drivers/"+s)
		}
		if !runs {
			t.Errorf("no test of drivers/%s runs drivertest.Situations: it needs a bench with a simulated device", name)
		}
	}
	for kind, except := range drivertest.Exceptions() {
		if !slices.Contains(kinds(), kind) {
			t.Errorf("an exception for %q, which is no kind", kind)
		}
		for s, reason := range except {
			if !slices.Contains(drivertest.AllSituations(), s) || reason == "" {
				t.Errorf("%s: exception for %q: %q", kind, s, reason)
			}
		}
	}
	if n := len(drivertest.AllSituations()); n != 9 {
		t.Errorf("%d situations, want nine", n)
	}
}

// sources are the test code of a package, or its code where it is test code itself.
type sources []*ast.File

func files(t *testing.T, folder string) (all sources) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("drivers/%s: no files, %v", folder, err)
	}
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") && !slices.Contains(suites, folder) {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// call reports whether a function of another package is called.
func (s sources) call(name string) (found bool) {
	for _, f := range s {
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
					pkg, ok := sel.X.(*ast.Ident)
					found = found || ok && pkg.Name+"."+sel.Sel.Name == name
				}
			}
			return !found
		})
	}
	return found
}

func (s sources) imports(path string) bool {
	for _, f := range s {
		for _, spec := range f.Imports {
			if spec.Path.Value == `"`+path+`"` {
				return true
			}
		}
	}
	return false
}
