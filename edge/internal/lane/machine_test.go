package lane

import (
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/sync/ticket"
)

// The machine has no exported door: its rules are shown here one event at a time.

var noon = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

func read(code string) drivers.Scan { return drivers.Scan{Data: []byte(code)} }

// decideScan says that a scan is a new request and what was shown for it.
func decideScan(t *testing.T, m *machine, s drivers.Scan, at time.Time, r ticket.Reason, opened bool) {
	t.Helper()
	if p := m.scan(s, at); !p.decide {
		t.Fatalf("at %s not decided: shows %s, repeat %v", at.Sub(noon), p.show.Verdict.Reason, p.show.Repeat)
	}
	m.decided(Shown{Verdict: ticket.Verdict{Reason: r}, Seq: 7}, opened)
}

func repeats(t *testing.T, m *machine, s drivers.Scan, at time.Time, r ticket.Reason) {
	t.Helper()
	p := m.scan(s, at)
	if p.decide || !p.show.Repeat || p.show.Verdict.Reason != r || p.show.Seq != 7 {
		t.Fatalf("at %s: decide %v, %+v; want the shown %s again", at.Sub(noon), p.decide, p.show, r)
	}
}

func TestMachine_RefusedCodeIsTheSameScanForTwoSecondsFromItsLastRead(t *testing.T) {
	var m machine
	decideScan(t, &m, read("A"), noon, ticket.MaxEntries, false)
	at := noon
	for range 5 { // each read refreshes the two seconds
		at = at.Add(repeatFor - time.Millisecond)
		repeats(t, &m, read("A"), at, ticket.MaxEntries)
	}
	decideScan(t, &m, read("A"), at.Add(repeatFor), ticket.MaxEntries, false)
}

func TestMachine_AnotherCodeEndsTheRepetition(t *testing.T) {
	var m machine
	decideScan(t, &m, read("A"), noon, ticket.MaxEntries, false)
	decideScan(t, &m, read("B"), noon.Add(time.Second), ticket.UnknownTicket, false)
	decideScan(t, &m, read("A"), noon.Add(1500*time.Millisecond), ticket.MaxEntries, false)
}

func TestMachine_SameCodeDuringItsPassageRepeatsForAnyTime(t *testing.T) {
	var m machine
	decideScan(t, &m, read("A"), noon, ticket.Admitted, true)
	repeats(t, &m, read("A"), noon.Add(time.Hour), ticket.Admitted)
}

func TestMachine_AnotherCodeDuringAPassageIsGateBusy(t *testing.T) {
	var m machine
	decideScan(t, &m, read("A"), noon, ticket.Admitted, true)
	for range 3 {
		p := m.scan(read("B"), noon.Add(time.Second))
		if p.decide || p.show.Verdict.Reason != ticket.GateBusy || p.show.Repeat {
			t.Fatalf("%+v", p)
		}
	}
	repeats(t, &m, read("A"), noon.Add(time.Second), ticket.Admitted)
	m.ended()
	decideScan(t, &m, read("B"), noon.Add(time.Second), ticket.Admitted, true) // B was not queued, nor remembered
}

func TestMachine_AfterThePassageTheNextReadIsANewRequest(t *testing.T) {
	var m machine
	decideScan(t, &m, read("A"), noon, ticket.Admitted, true)
	m.ended()
	decideScan(t, &m, read("A"), noon.Add(time.Millisecond), ticket.MaxEntries, false)
}

func TestMachine_TornReadIsMisreadAndChangesNothing(t *testing.T) {
	torn := drivers.Scan{Data: []byte("A"), Fault: drivers.ScanTorn}
	var m machine
	for _, opened := range []bool{false, true} {
		m.ended()
		decideScan(t, &m, read("A"), noon, ticket.Admitted, opened)
		p := m.scan(torn, noon.Add(time.Second))
		if p.decide || p.show.Verdict.Reason != ticket.Misread || p.show.Repeat || !p.show.At.Equal(noon.Add(time.Second)) {
			t.Fatalf("%+v", p)
		}
		repeats(t, &m, read("A"), noon.Add(1900*time.Millisecond), ticket.Admitted)
	}
}

func TestMachine_OverlongAndBinaryAreDecided(t *testing.T) {
	for _, f := range []drivers.ScanFault{drivers.ScanOverlong, drivers.ScanBinary} {
		var m machine
		decideScan(t, &m, drivers.Scan{Data: []byte("\x01"), Fault: f}, noon, ticket.NotATicket, false)
	}
}

func TestMachine_FirstReadIsDecidedEvenIfEmpty(t *testing.T) {
	var m machine
	decideScan(t, &m, read(""), noon, ticket.NotATicket, false)
}

func TestMachine_UndecidedScanIsForgotten(t *testing.T) {
	var m machine
	if !m.scan(read("A"), noon).decide {
		t.Fatal("not decided")
	}
	m.forget()
	decideScan(t, &m, read("A"), noon, ticket.Admitted, true)
}

// refuse feeds one refusal every gap and returns how many of n were counted instead of recorded.
func refuse(b *bursts, r ticket.Reason, from time.Time, n int, gap time.Duration) (counted int) {
	for i := range n {
		if b.refused(r, from.Add(time.Duration(i)*gap)) {
			counted++
		}
	}
	return counted
}

func TestBursts_MoreThanFiveASecondAreCounted(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		gap  time.Duration
		want int
	}{
		{"five at once", 5, 0, 0},
		{"six at once", 6, 0, 1},
		{"five a second for long", 100, 200 * time.Millisecond, 0},
		{"just more than five a second", 6, 199 * time.Millisecond, 1},
		{"a hundred a second", 100, 10 * time.Millisecond, 95},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := refuse(&bursts{}, ticket.NotATicket, noon, c.n, c.gap); got != c.want {
				t.Fatalf("%d counted, want %d", got, c.want)
			}
		})
	}
}

func TestBursts_CountsEachReasonByItself(t *testing.T) {
	var b bursts
	for range 5 {
		if b.refused(ticket.NotATicket, noon) || b.refused(ticket.MaxEntries, noon) {
			t.Fatal("counted below the limit")
		}
	}
	if !b.refused(ticket.MaxEntries, noon) || len(b.due(noon, true)) != 1 {
		t.Fatal("the sixth of a reason is not counted")
	}
}

func TestBursts_LastsUntilASecondWithoutOne(t *testing.T) {
	var b bursts
	refuse(&b, ticket.NotATicket, noon, 6, 0)
	at := noon
	for range 3 { // slower than five a second, but the burst goes on
		at = at.Add(900 * time.Millisecond)
		if !b.refused(ticket.NotATicket, at) {
			t.Fatal("recorded within the burst")
		}
	}
	if due := b.due(at.Add(burstGap-1), false); len(due) != 0 {
		t.Fatalf("written early: %v", due)
	}
	due := b.due(at.Add(burstGap), false)
	if len(due) != 1 || due[0] != (repeated{ticket.NotATicket, 4}) {
		t.Fatalf("%v, want 4", due)
	}
	b.written(due[0])
	if b.refused(ticket.NotATicket, at.Add(burstGap)) {
		t.Fatal("counted after the burst")
	}
	if due := b.due(at.Add(time.Hour), true); len(due) != 0 {
		t.Fatalf("written twice: %v", due)
	}
}

func TestBursts_AreWrittenAtTheLatestEveryTenSeconds(t *testing.T) {
	var b bursts
	total, writes := int64(0), 0
	at := noon
	const n = 3500 // 35 s
	for range n {
		b.refused(ticket.NotATicket, at)
		at = at.Add(10 * time.Millisecond)
		for _, r := range b.due(at, false) {
			b.written(r)
			total, writes = total+r.count, writes+1
		}
	}
	for _, r := range b.due(at, true) { // at shutdown
		b.written(r)
		total, writes = total+r.count, writes+1
	}
	if total != n-burstMost || writes != 4 {
		t.Fatalf("%d counted in %d facts, want %d in 4", total, writes, n-burstMost)
	}
}
