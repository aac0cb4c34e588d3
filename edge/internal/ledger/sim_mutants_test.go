//go:build mutants

package ledger_test

import (
	"os"
	"strings"
	"testing"

	planted "yipiao/sync/mutant"
	"yipiao/sync/simtest"
)

// TestMutants: every mistake that is planted in the ledger is found (`make sim-mutants`).
func TestMutants(t *testing.T) {
	list := planted.Ledger
	if names := os.Getenv("YIPIAO_MUTANTS"); names != "" {
		list = strings.Fields(names)
	}
	simtest.Mutants(t, "sim-mutants: ledger", ledgers(t), list, 200)
}
