package archtest_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const vectorsPackage = module + "drivers/vectors"

// suites load vectors for the drivers that run them, by the name that a driver gives: a field of the suite's, or that of
// the driver's kind, which is its folder's.
var suites = []string{module + "drivers/internal/dialogue/dialoguetest", module + "drivers/drivertest/commandtest"}

// TestVectorsFeedDriverAndSimulator: driver and simulator of a protocol are written apart, and held together by the same
// vectors. For each folder of them a test of its driver loads it, and so does a test of a simulator; that a simulator
// imports no driver is a row of the import table.
func TestVectorsFeedDriverAndSimulator(t *testing.T) {
	all := sources(t)
	for _, suite := range suites {
		if !loads(all, strings.TrimPrefix(suite, module)) {
			t.Errorf("%s loads no vectors", suite)
		}
	}
	named := constants(all)
	folders, err := os.ReadDir(filepath.Join(root, "drivers/vectors"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		n++
		t.Run(f.Name(), func(t *testing.T) {
			driver, sim := false, false
			for _, s := range all {
				switch {
				case !s.test:
				case s.dir == "drivers/"+f.Name():
					driver = driver || imports(s, vectorsPackage) && mentions(s, f.Name(), named) || bySuite(s, f.Name(), named)
				case within(s.dir, "firmware-sim"):
					sim = sim || imports(s, vectorsPackage) && mentions(s, f.Name(), named)
				}
			}
			if !driver {
				t.Errorf("no test in drivers/%s loads drivers/vectors/%s", f.Name(), f.Name())
			}
			if !sim {
				t.Errorf("no test in firmware-sim loads drivers/vectors/%s", f.Name())
			}
		})
	}
	if n < 10 {
		t.Errorf("%d folders of vectors: the test looks at the wrong place", n)
	}
}

func imports(s source, path string) bool {
	for _, spec := range s.file.Imports {
		if spec.Path.Value == strconv.Quote(path) {
			return true
		}
	}
	return false
}

// loads reports whether a package that is no test calls vectors.Load.
func loads(all []source, dir string) bool {
	for _, s := range all {
		if s.dir == dir && !s.test && imports(s, vectorsPackage) && strings.Contains(s.text, "vectors.Load(") {
			return true
		}
	}
	return false
}

// bySuite reports whether a driver's test hands its protocol to a suite that loads its vectors.
func bySuite(s source, protocol string, named map[string]string) bool {
	return imports(s, suites[0]) && mentions(s, protocol, named) ||
		imports(s, suites[1]) && strings.Contains(s.text, protocol+".Kind()")
}

// constants are the string constants of the simulators, by package and name.
func constants(all []source) map[string]string {
	named := make(map[string]string)
	for _, s := range all {
		if !within(s.dir, "firmware-sim") || s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != len(spec.Values) {
				return true
			}
			for i, name := range spec.Names {
				if v, ok := text(spec.Values[i]); ok {
					named[s.file.Name.Name+"."+name.Name] = v
				}
			}
			return true
		})
	}
	return named
}

// mentions reports whether a test names a protocol, by a string or by a simulator's constant.
func mentions(s source, protocol string, named map[string]string) bool {
	found := false
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			v, ok := text(n)
			found = found || ok && v == protocol
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok {
				found = found || named[pkg.Name+"."+n.Sel.Name] == protocol
			}
		}
		return !found
	})
	return found
}

func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	v, err := strconv.Unquote(lit.Value)
	return v, err == nil
}
