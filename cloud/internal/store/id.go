package store

// epochMs is 2026-01-01 in Shanghai, the beginning of the time in ids.
const epochMs = 1_767_196_800_000

// NextID is the id after last: ordered by time, unique among rows that one transaction after another
// numbers, and below 2^53, so that it survives a browser.
func NextID[T ~uint64](last T, nowMs int64) T {
	return max(last+1, T(max(nowMs-epochMs, 0))<<12)
}
