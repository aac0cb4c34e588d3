package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// pageOf is n tickets of a big venue from number first on, as the hub sends them: 400 sessions, in order.
func pageOf(b *testing.B, w *decisions.World, first, n, all int) []wire.Entry {
	b.Helper()
	out := make([]wire.Entry, n)
	for i := range n {
		k := first + i
		tk := w.Ticket
		tk.ID, tk.Session = ticket.TicketID(1_000_000+k), ticket.SessionID(5000+k/(all/400))
		tk.Code = ticket.TicketCode(fmt.Sprintf("%s%09d", w.Session.Code, k))
		tk.Seat, tk.Holder, tk.Order = fmt.Sprintf("1层 A区 %02d排 %02d座", k/40%50, k%40), "*三", fmt.Sprintf("O%010d", k/2)
		tk.CredHash = ticket.PayloadHash(strconv.Itoa(k))
		tk.Doc = ticket.PayloadHash("doc" + strconv.Itoa(k))
		out[i] = entryOf(b, uint64(2000+k), tk)
	}
	return out
}

// BenchmarkMillion loads YIPIAO_TICKETS tickets (default 100,000) page by page, then starts from the snapshot
// and from the catalogue alone.
func BenchmarkMillion(b *testing.B) {
	all := 100_000
	if v, err := strconv.Atoi(os.Getenv("YIPIAO_TICKETS")); err == nil {
		all = v
	}
	for b.Loop() {
		s := newStation(b)
		w := s.world()
		if err := s.Reset(b.Context(), decisions.Epoch); err != nil {
			b.Fatal(err)
		}
		s.apply(nil, false)
		var took time.Duration
		const page = 5000
		for at := 0; at < all; at += page {
			entries := pageOf(b, w, at, page, all)
			began := time.Now()
			s.apply(entries, false)
			took += time.Since(began)
		}
		s.apply(nil, true)
		b.ReportMetric(float64(all)/took.Seconds(), "rows/s")
		b.ReportMetric(took.Seconds(), "apply-s")
		info, err := os.Stat(filepath.Join(s.dir, "catalogue.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/(1<<20), "catalogue-MiB")
		b.ReportMetric(float64(s.Stats().Memory)/(1<<20), "index-MiB")
		began := time.Now()
		if err := s.Snapshot(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "snapshot-s")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		began = time.Now()
		s.start()
		b.ReportMetric(time.Since(began).Seconds(), "start-s")
		if !s.report.Snapshot {
			b.Fatal("the snapshot was not used")
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(filepath.Join(s.dir, "index.snap")); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		began = time.Now()
		s.start()
		b.ReportMetric(time.Since(began).Seconds(), "rebuild-s")
		if s.report.Snapshot || s.report.Tickets < all {
			b.Fatalf("%+v", s.report)
		}
	}
}
