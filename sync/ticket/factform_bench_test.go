package ticket_test

import (
	"encoding/json"
	"testing"
	"time"

	"yipiao/sync/ticket"
)

// jsonFact is a Fact as it would be in JSON with short names, for comparison.
type jsonFact struct {
	Ticket  ticket.TicketID  `json:"t,omitempty"`
	Session ticket.SessionID `json:"s,omitempty"`
	Gen     uint32           `json:"g,omitempty"`
	Used    uint16           `json:"u,omitempty"`
	Inside  bool             `json:"in,omitempty"`
	Gated   bool             `json:"gt,omitempty"`
	Lane    string           `json:"l,omitempty"`
	Device  string           `json:"d,omitempty"`
	Of      uint64           `json:"of,omitempty"`
	Counter *uint32          `json:"ct,omitempty"`
	PrevMs  int64            `json:"pm,omitempty"`
	PrevAt  string           `json:"pa,omitempty"`
	WasIn   bool             `json:"wi,omitempty"`
	Nonce   *ticket.Nonce    `json:"n,omitempty"`
	Request *ticket.Hash     `json:"rq,omitempty"`
	Verdict *ticket.Verdict  `json:"v,omitempty"`
	PermitS uint8            `json:"ps,omitempty"`
	Unsync  bool             `json:"sig,omitempty"`
}

func benchFacts(b *testing.B, run func(b *testing.B, f *ticket.Fact)) {
	lane, handheld := anAdmission(), atAHandheld()
	b.Run("lane", func(b *testing.B) { run(b, &lane) })
	b.Run("handheld", func(b *testing.B) { run(b, &handheld) })
}

// BenchmarkFactAppend reports the size of the body, and how many times as long JSON takes.
func BenchmarkFactAppend(b *testing.B) {
	benchFacts(b, func(b *testing.B, f *ticket.Fact) {
		asJSON, _ := json.Marshal((*jsonFact)(f))
		slow := timed(func() { _, _ = json.Marshal((*jsonFact)(f)) })
		room := make([]byte, 0, 1024)
		b.ReportAllocs()
		for b.Loop() {
			f.Append(room)
		}
		report(b, slow, len(f.Append(nil)), len(asJSON))
	})
}

// BenchmarkFactDecode decodes as a replay does, with one FactReader for all.
func BenchmarkFactDecode(b *testing.B) {
	benchFacts(b, func(b *testing.B, f *ticket.Fact) {
		body := f.Append(nil)
		asJSON, _ := json.Marshal((*jsonFact)(f))
		slow := timed(func() { _ = json.Unmarshal(asJSON, new(jsonFact)) })
		var r ticket.FactReader
		var out ticket.Fact
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Fact(body, &out); err != nil {
				b.Fatal(err)
			}
		}
		report(b, slow, len(body), len(asJSON))
	})
}

// timed is how many nanoseconds do takes.
func timed(do func()) float64 {
	const times = 20_000
	begin := time.Now()
	for range times {
		do()
	}
	return float64(time.Since(begin).Nanoseconds()) / times
}

func report(b *testing.B, slow float64, size, sizeJSON int) {
	own := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(float64(size), "B/fact")
	b.ReportMetric(float64(sizeJSON), "jsonB/fact")
	b.ReportMetric(slow/own, "json/own")
	b.ReportMetric(1e9/own, "facts/s")
}
