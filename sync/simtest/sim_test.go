package simtest_test

import (
	"testing"
	"time"

	"yipiao/sync/simtest"
)

// TestSim: the sync engine over memory, seed by seed (I1 to I6). `make sim` runs it longer.
func TestSim(t *testing.T) {
	simtest.Seeds(t, "memory", simtest.InMemory(), 20, 10*time.Second)
}
