package clock_test

import (
	"testing"

	"yipiao/edge/internal/clock"
)

// BenchmarkNow is on the way of every decision.
func BenchmarkNow(b *testing.B) {
	c := clock.New(1, nil)
	b.ReportAllocs()
	for b.Loop() {
		c.Now()
	}
}
