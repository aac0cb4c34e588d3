package index_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

const million = 1_000_000

// filled is an index of 1,000,000 tickets with credentials and with a key of each kind asked for.
func filled(keys ...index.Key) *index.Index {
	x := index.New()
	session := x.Sessions.Number(7)
	for id := ticket.TicketID(1); id <= million; id++ {
		s, _ := x.Obtain(id)
		x.Lock(s)
		r := x.Row(s)
		r.Ver, r.Session = uint64(id), session
		r.Set(index.Known, true)
		x.SetCredential(s, hash(uint64(id)))
		for _, k := range keys {
			x.Link(k, hash(uint64(id)), s)
		}
		x.Unlock(s)
	}
	return x
}

// shared is filled once for all benchmarks that do not change it.
var shared = sync.OnceValue(func() *index.Index { return filled(index.KeyDocument) })

func BenchmarkLookups(b *testing.B) {
	x := shared()
	rnd := rand.New(rand.NewPCG(1, 2))
	ids := make([]ticket.TicketID, 1<<16)
	for i := range ids {
		ids[i] = ticket.TicketID(rnd.Uint64N(million) + 1)
	}
	dst := make([]index.Slot, 0, 16)
	for _, bm := range []struct {
		name string
		do   func(ticket.TicketID) bool
	}{
		{"Find", func(id ticket.TicketID) bool { return x.Find(id) != 0 }},
		{"FindUnknown", func(id ticket.TicketID) bool { return x.Find(id+million) == 0 }},
		{"FindCredential", func(id ticket.TicketID) bool { return x.FindCredential(hash(uint64(id))) != 0 }},
		{"Candidates", func(id ticket.TicketID) bool {
			return len(x.Candidates(index.KeyDocument, hash(uint64(id)), dst[:0])) != 0
		}},
		{"RowLocked", func(id ticket.TicketID) bool {
			s := index.Slot(id)
			x.Lock(s)
			defer x.Unlock(s)
			return x.Row(s).ID == id
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if !bm.do(ids[i&(1<<16-1)]) {
					b.Fatal("not found")
				}
			}
		})
	}
}

// BenchmarkFill makes 1,000,000 tickets; ns/op is for all of them.
func BenchmarkFill(b *testing.B) {
	for _, bm := range []struct {
		name string
		id   func(i uint64) ticket.TicketID
	}{
		{"sorted", func(i uint64) ticket.TicketID { return ticket.TicketID(i + 1) }},
		{"random", func(i uint64) ticket.TicketID { return ticket.TicketID(i*0x9e3779b97f4a7c15 + 1) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			for b.Loop() {
				x := index.New()
				for i := range uint64(million) {
					x.Obtain(bm.id(i))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/ticket")
		})
	}
	b.Run("credential", func(b *testing.B) {
		for b.Loop() {
			filled()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/ticket")
	})
}

// BenchmarkMemory reports the memory of 1,000,000 tickets with credentials, and of a key of each.
func BenchmarkMemory(b *testing.B) {
	for _, bm := range []struct {
		name string
		keys []index.Key
	}{{"tickets", nil}, {"with3keys", []index.Key{index.KeyDocument, index.KeyChip, index.KeyPickup}}} {
		b.Run(bm.name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				x := filled(bm.keys...)
				b.ReportMetric(float64(heap()-before)/million, "heapbytes/ticket")
				b.ReportMetric(float64(x.Bytes())/million, "bytes/ticket")
				began := time.Now()
				runtime.GC()
				b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "gc-ms")
				runtime.KeepAlive(x)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSnapshot writes 1,000,000 tickets with credentials and documents to a file in the page
// cache and reads them back.
func BenchmarkSnapshot(b *testing.B) {
	x := shared()
	path := filepath.Join(b.TempDir(), "snapshot")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := x.WriteTo(f); err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("WriteTo", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				b.Fatal(err)
			}
			n, err := x.WriteTo(f)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
		}
	})
	b.Run("Read", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				b.Fatal(err)
			}
			if y, err := index.Read(f); err != nil || y.Len() != million {
				b.Fatal(err)
			}
		}
	})
	b.Run("ReadMemory", func(b *testing.B) {
		for b.Loop() {
			if _, err := index.Read(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
