package ticket_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"testing"

	"yipiao/sync/ticket"
)

func standings(n int) []ticket.Standing {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]ticket.Standing, n)
	for i := range out {
		out[i] = ticket.Standing{
			Ticket: ticket.TicketID(r.Uint64()), Ver: r.Uint64(), Gen: r.Uint32(), Hand: r.Uint32(),
			Holder: ticket.StationID(r.Uint32()), Used: uint16(r.Uint32()), Inside: r.Uint32()%2 == 0,
		}
	}
	return out
}

func digestOf(rows []ticket.Standing) ticket.Digest {
	var d ticket.Digest
	for _, s := range rows {
		d.Add(s)
	}
	return d
}

// The definition of sync.md section 5, written a second time with other means.
func TestDigest_IsTheSumOfHashesModulo2To128(t *testing.T) {
	sum := new(big.Int)
	rows := standings(50)
	for _, s := range rows {
		b := append([]byte("yipiao digest v1"), 0)
		for _, v := range []any{uint64(s.Ticket), s.Ver, s.Gen, s.Hand, uint32(s.Holder), s.Used, s.Inside} {
			b, _ = binary.Append(b, binary.BigEndian, v)
		}
		h := sha256.Sum256(b)
		sum.Add(sum, new(big.Int).SetBytes(h[:16]))
	}
	sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 128))
	want := hex.EncodeToString(sum.FillBytes(make([]byte, 16)))
	if got := digestOf(rows).String(); got != want {
		t.Fatalf("digest %s, want %s", got, want)
	}
}

func TestDigest_DoesNotDependOnOrder(t *testing.T) {
	rows := standings(40)
	want := digestOf(rows)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	if got := digestOf(rows); got != want {
		t.Fatalf("digest %s after shuffling, want %s", got, want)
	}
}

func TestDigest_RemoveUndoesAdd(t *testing.T) {
	rows := standings(40)
	d := digestOf(rows)
	for _, s := range rows[10:] {
		d.Remove(s)
	}
	if want := digestOf(rows[:10]); d != want {
		t.Fatalf("digest %s, want %s", d, want)
	}
}

func TestDigest_EveryFieldCounts(t *testing.T) {
	base := ticket.Standing{Ticket: 1, Ver: 2, Gen: 3, Hand: 4, Holder: 5, Used: 6}
	seen := map[ticket.Digest]string{digestOf([]ticket.Standing{base}): "base"}
	changes := map[string]func(*ticket.Standing){
		"ticket": func(s *ticket.Standing) { s.Ticket++ }, "ver": func(s *ticket.Standing) { s.Ver++ },
		"gen": func(s *ticket.Standing) { s.Gen++ }, "hand": func(s *ticket.Standing) { s.Hand++ },
		"holder": func(s *ticket.Standing) { s.Holder++ }, "used": func(s *ticket.Standing) { s.Used++ },
		"inside": func(s *ticket.Standing) { s.Inside = true },
	}
	for name, change := range changes {
		s := base
		change(&s)
		d := digestOf([]ticket.Standing{s})
		if other, ok := seen[d]; ok {
			t.Errorf("changing %s gives the digest of %s", name, other)
		}
		seen[d] = name
	}
}

func TestDigest_TextRoundTrip(t *testing.T) {
	d := digestOf(standings(3))
	text, err := d.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back ticket.Digest
	if err := back.UnmarshalText(text); err != nil || back != d {
		t.Fatalf("read back %s, %v, want %s", back, err, d)
	}
	for _, bad := range []string{"", "12", string(text[:31]) + "g", string(text) + "0"} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
