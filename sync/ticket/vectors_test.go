package ticket_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"

	"yipiao/sync/ticket"
)

// A maker makes the vectors of vectors/credential.json.
type maker struct {
	t    *testing.T
	seed []byte
	out  []vector
}

func (m *maker) add(name, text, why string) {
	m.t.Helper()
	key := ed25519.NewKeyFromSeed(m.seed)
	public := key.Public().(ed25519.PublicKey)
	want, read := reading(text, public)
	h := ticket.PayloadHash(text)
	m.out = append(m.out, vector{
		Name: name, Text: text, Want: want, Why: why, Fields: read,
		Hash: hex.EncodeToString(h[:]), Seed: hex.EncodeToString(m.seed), Public: hex.EncodeToString(public),
	})
}

func (m *maker) sample() ticket.Credential {
	c := ticket.Credential{
		Key: 1, Tenant: 7, Session: 301, Group: 1, Ticket: 4001, Number: 2,
		Random: [8]byte{0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe},
	}
	c.Sign(ed25519.NewKeyFromSeed(m.seed))
	return c
}

func (m *maker) good() {
	c := m.sample()
	m.add("ordinary", c.Text(), "")
	c.Number = 3
	c.Sign(ed25519.NewKeyFromSeed(m.seed))
	m.add("re-issued under the next number", c.Text(), "")
	c = ticket.Credential{}
	c.Sign(ed25519.NewKeyFromSeed(m.seed))
	m.add("all fields zero", c.Text(), "")
	c = ticket.Credential{
		Key: 1<<16 - 1, Tenant: 1<<32 - 1, Session: 1<<64 - 1, Group: 1<<16 - 1, Ticket: 1<<64 - 1, Number: 1<<16 - 1,
		Random: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
	c.Sign(ed25519.NewKeyFromSeed(m.seed))
	m.add("all fields at their largest", c.Text(), "")
}

// packed is any bytes in the text form, whatever they are.
func packed(raw []byte) string { return "YP1:" + base32Of(raw) }

func (m *maker) bad() {
	c := m.sample()
	text := c.Text()
	raw := unbase32(m.t, text[4:])
	lower := strings.ToLower(text[4:])
	for _, v := range []struct{ name, text, why string }{
		{"empty", "", "no prefix"},
		{"prefix alone", "YP1:", "nothing behind the prefix"},
		{"no prefix", text[4:], "no prefix"},
		{"prefix in small letters", "yp1:" + text[4:], "the prefix is in capitals"},
		{"prefix of another version", "YP2:" + text[4:], "the prefix of version 1 is YP1:"},
		{"small letters", "YP1:" + lower, "Base32 is in capitals"},
		{"one small letter", text[:80] + strings.ToLower("A") + text[81:], "Base32 is in capitals"},
		{"digit outside the alphabet", text[:80] + "1" + text[81:], "0, 1, 8 and 9 are not in the alphabet"},
		{"padded", text + "=", "no padding"},
		{"padded to eight", text + "=====", "no padding"},
		{"one character short", text[:162], "158 characters behind the prefix"},
		{"one character long", text + "A", "160 characters behind the prefix"},
		{"space in front", " " + text, "nothing stands outside"},
		{"line feed behind", text + "\n", "nothing stands outside"},
		{"line feed within", text[:80] + "\n" + text[80:], "nothing stands between"},
		{"carriage return instead of a character", text[:80] + "\r" + text[81:], "nothing stands between"},
		{"NUL behind", text + "\x00", "nothing stands outside"},
		{"stray bits in the last character", stray(text), "the last three bits are zero"},
		{"98 bytes", packed(raw[:98]), "99 bytes"},
		{"100 bytes", packed(append(slices.Clone(raw), 0)), "99 bytes"},
		{"version 0", packed(append([]byte{0}, raw[1:]...)), "version byte 1"},
		{"version 2", packed(append([]byte{2}, raw[1:]...)), "version byte 1"},
		{"179 characters", text + strings.Repeat("A", 16), "exactly 163 characters"},
		{"a web address", "https://example.com/t/4001", "no prefix"},
	} {
		m.add(v.name, v.text, v.why)
	}
}

func (m *maker) forged() {
	c := m.sample()
	raw := unbase32(m.t, c.Text()[4:])
	for _, v := range []struct {
		name string
		at   int
	}{{"other key id", 2}, {"other tenant", 6}, {"other session", 14}, {"other gate group", 16}, {"other ticket", 24}, {"other credential number", 26}, {"other random bytes", 34}, {"signature changed", 40}} {
		b := slices.Clone(raw)
		b[v.at] ^= 1
		m.add(v.name, packed(b), "the signature covers every byte before it")
	}
	plain := m.sample()
	copy(plain.Sig[:], ed25519.Sign(ed25519.NewKeyFromSeed(m.seed), raw[:35]))
	m.add("signed without the context", plain.Text(), "what is signed begins with the context string")
	m.add("signature not in its least form", packed(append(slices.Clone(raw[:67]), addOrder(raw[67:])...)), "S must be below the group order (RFC 8032 section 5.1.7)")
	blank := m.sample()
	blank.Sig = [64]byte{}
	m.add("no signature", blank.Text(), "a signature of zeros")
	good := m.seed
	m.seed = slices.Repeat([]byte{0xa5}, ed25519.SeedSize)
	m.add("signed by another key", c.Text(), "verified with a key that did not sign it")
	m.seed = good
}

// stray is the text with an unused bit of its last character set.
func stray(text string) string {
	last := strings.IndexByte(alphabet, text[len(text)-1])
	return text[:len(text)-1] + string(alphabet[last|1])
}

// addOrder adds the group order of Ed25519 to a little-endian number: the same number modulo the order.
func addOrder(s []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	b := slices.Clone(s)
	slices.Reverse(b)
	sum := new(big.Int).Add(new(big.Int).SetBytes(b), order).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	return sum
}
