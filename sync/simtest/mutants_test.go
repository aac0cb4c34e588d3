//go:build mutants

package simtest_test

import (
	"os"
	"strings"
	"testing"

	"yipiao/sync/mutant"
	"yipiao/sync/simtest"
)

// mutantSeeds is how many seeds a planted mistake may survive; most are found by the first few.
const mutantSeeds = 400

// TestMutants: every planted mistake is found (`make sim-mutants`). YIPIAO_MUTANTS names those to try.
func TestMutants(t *testing.T) {
	list := mutant.All
	if names := os.Getenv("YIPIAO_MUTANTS"); names != "" {
		list = strings.Fields(names)
	}
	simtest.Mutants(t, "sim-mutants", simtest.InMemory(), list, mutantSeeds)
}
