package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Bounds of the memory that the Go runtime may hold, in bytes. A station with a million tickets lives on some
// 90 MB, nearly all of it without pointers, so that a collection costs a few milliseconds of one core. Left to
// itself the collector lets garbage grow to as much again (250 MB were seen); with this bound the process stays
// below 128 MB and collects several times a second at full load. What lives is looked at again and again, so
// that a station with more tickets gets more instead of collecting without end.
const (
	leastMemory = 96 << 20
	headroom    = 12 << 20
	memoryLook  = 2 * time.Second
)

// boundMemory keeps the runtime's memory limit at what lives and a headroom, until ctx ends. Whoever sets
// GOGC or GOMEMLIMIT decides instead.
func boundMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	for {
		metrics.Read(live)
		debug.SetMemoryLimit(max(leastMemory, int64(live[0].Value.Uint64())*17/16+headroom))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
