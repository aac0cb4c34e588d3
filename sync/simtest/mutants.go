//go:build mutants

package simtest

import (
	"fmt"
	"testing"

	"yipiao/sync/mutant"
)

// Mutants makes each planted mistake of the list active in turn and runs seeds of a Build, at most most of
// them, until one finds it. It ends with one line of summary.
func Mutants(t *testing.T, name string, b Build, list []string, most uint64) {
	t.Helper()
	defer mutant.Activate("")
	caught := 0
	for _, m := range list {
		mutant.Activate(m)
		seed, err := hunt(t, b, most)
		if err == nil {
			t.Errorf("%s: not caught by %d seeds", m, most)
			continue
		}
		caught++
		fmt.Printf("%-26s caught by seed %d: %v\n", m, seed, err)
	}
	fmt.Printf("%s: %d of %d caught\n", name, caught, len(list))
}

func hunt(t *testing.T, b Build, most uint64) (uint64, error) {
	t.Helper()
	for seed := uint64(1); seed <= most; seed++ {
		if r := Run(t, seed, b); r.Err != nil {
			return seed, r.Err
		}
	}
	return 0, nil
}
