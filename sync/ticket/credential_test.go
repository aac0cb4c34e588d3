package ticket_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"yipiao/sync/ticket"
)

var update = flag.Bool("update", false, "rewrite vectors/credential.json")

const vectorFile = "vectors/credential.json"

// A vector is one text and what a reader must make of it.
type vector struct {
	Name   string  `json:"name"`
	Text   string  `json:"text"`
	Want   string  `json:"want"`          // good, not_a_credential or bad_signature
	Why    string  `json:"why,omitempty"` // why it is bad
	Fields *fields `json:"fields,omitempty"`
	Hash   string  `json:"hash"`   // hex, SHA-256/128 of the text
	Seed   string  `json:"seed"`   // hex, of the signing key
	Public string  `json:"public"` // hex, the key to verify with
}

type fields struct {
	Key       uint16 `json:"key"`
	Tenant    uint32 `json:"tenant"`
	Session   uint64 `json:"session,string"`
	Group     uint16 `json:"group"`
	Ticket    uint64 `json:"ticket,string"`
	Number    uint16 `json:"number"`
	Random    string `json:"random"`
	Signature string `json:"signature"`
}

func fieldsOf(c *ticket.Credential) *fields {
	return &fields{
		uint16(c.Key), uint32(c.Tenant), uint64(c.Session), uint16(c.Group), uint64(c.Ticket), c.Number,
		hex.EncodeToString(c.Random[:]), hex.EncodeToString(c.Sig[:]),
	}
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var out []vector
	if err := dec.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// reading is what the program makes of a text.
func reading(text string, public []byte) (string, *fields) {
	c, err := ticket.ParseCredential(text)
	switch {
	case err != nil:
		return "not_a_credential", nil
	case c.Verify(public) != nil:
		return "bad_signature", fieldsOf(&c)
	}
	return "good", fieldsOf(&c)
}

func TestCredential_Vectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	vectors := readVectors(t)
	counted := make(map[string]int)
	for _, v := range vectors {
		counted[v.Want]++
		t.Run(v.Name, func(t *testing.T) {
			public := unhex(t, v.Public)
			want, got := v.Want, ""
			var read *fields
			if got, read = reading(v.Text, public); got != want {
				t.Fatalf("read as %s, want %s", got, want)
			}
			if (v.Why == "") != (want == "good") {
				t.Errorf("why = %q for a vector that is %s", v.Why, want)
			}
			if (v.Fields == nil) != (read == nil) || read != nil && *read != *v.Fields {
				t.Errorf("fields %+v, want %+v", read, v.Fields)
			}
			if h := ticket.PayloadHash(v.Text); hex.EncodeToString(h[:]) != v.Hash {
				t.Errorf("hash %x, want %s", h, v.Hash)
			}
		})
	}
	if counted["good"] < 4 || counted["not_a_credential"] < 15 || counted["bad_signature"] < 5 {
		t.Errorf("too few vectors: %v", counted)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeVectors makes the file anew. Everything in it is fixed: the same program writes the same file.
func writeVectors(t *testing.T) {
	t.Helper()
	m := &maker{t: t, seed: bytes.Repeat([]byte{0x5a}, ed25519.SeedSize)}
	m.good()
	m.bad()
	m.forged()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m.out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCredential_FieldsAtTheirLimits: the widths of the format hold the whole range of every field.
func TestCredential_FieldsAtTheirLimits(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	c := ticket.Credential{Key: 1<<16 - 1, Tenant: 1<<32 - 1, Session: 1<<64 - 1, Group: 1<<16 - 1, Ticket: 1<<64 - 1, Number: 1<<16 - 1}
	c.Sign(key)
	back, err := ticket.ParseCredential(c.Text())
	if err != nil || back != c {
		t.Fatalf("%+v, %v", back, err)
	}
	if n := len(c.Text()); n != 163 {
		t.Fatalf("%d characters, want 163", n)
	}
}

// TestCredential_SignatureCoversEveryBit: any other body does not verify.
func TestCredential_SignatureCoversEveryBit(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
	pub := key.Public().(ed25519.PublicKey)
	c := ticket.Credential{Key: 1, Tenant: 7, Session: 301, Group: 1, Ticket: 4001, Number: 1, Random: [8]byte{1, 2, 3}}
	c.Sign(key)
	if err := c.Verify(pub); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*ticket.Credential){
		"key": func(c *ticket.Credential) { c.Key++ }, "tenant": func(c *ticket.Credential) { c.Tenant++ },
		"session": func(c *ticket.Credential) { c.Session++ }, "group": func(c *ticket.Credential) { c.Group++ },
		"ticket": func(c *ticket.Credential) { c.Ticket++ }, "number": func(c *ticket.Credential) { c.Number++ },
		"random": func(c *ticket.Credential) { c.Random[7]++ }, "signature": func(c *ticket.Credential) { c.Sig[63] ^= 1 },
	} {
		other := c
		if change(&other); other.Verify(pub) == nil {
			t.Errorf("a changed %s verifies", name)
		}
	}
	for _, bad := range []ed25519.PublicKey{nil, pub[:31], append(append(ed25519.PublicKey{}, pub...), 0)} {
		if c.Verify(bad) == nil {
			t.Errorf("verifies with a key of %d bytes", len(bad))
		}
	}
}

// FuzzParseCredential: never panics; what is read is written back as the very same text.
func FuzzParseCredential(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.Text)
	}
	f.Add("")
	f.Add(strings.Repeat("YP1:", 50))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ticket.ParseCredential(text)
		if err != nil {
			if c != (ticket.Credential{}) {
				t.Fatal("a refused text left something behind")
			}
			return
		}
		if c.Text() != text {
			t.Fatalf("read %q, written back %q", text, c.Text())
		}
		if len(text) != 163 {
			t.Fatalf("%d characters were read", len(text))
		}
		_ = c.Verify(make(ed25519.PublicKey, ed25519.PublicKeySize))
	})
}
