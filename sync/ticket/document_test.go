package ticket_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// What follows is a second reader of credentials, written from docs/formats/credential.md alone. It
// shares no code with the program, so that the document is what both agree on.

const (
	document = "../../docs/formats/credential.md"
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // section 3
	context  = "yipiao credential v1\x00"         // section 4
)

// base32Of writes five bits at a time, most significant first; the last character is filled with zeros.
func base32Of(raw []byte) string {
	var out strings.Builder
	for bit := 0; bit < len(raw)*8; bit += 5 {
		v := 0
		for i := bit; i < bit+5; i++ {
			v <<= 1
			if i < len(raw)*8 && raw[i/8]>>(7-i%8)&1 == 1 {
				v |= 1
			}
		}
		out.WriteByte(alphabet[v])
	}
	return out.String()
}

// unbase32 reads whole bytes; the bits that are left over must be zero.
func unbase32(t testing.TB, s string) []byte {
	t.Helper()
	raw, err := readBits(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func readBits(s string) ([]byte, error) {
	raw := make([]byte, len(s)*5/8)
	for i := range len(s) {
		v := strings.IndexByte(alphabet, s[i])
		if v < 0 {
			return nil, fmt.Errorf("character %d is not in the alphabet", i)
		}
		for b := range 5 {
			at, set := i*5+b, v>>(4-b)&1 == 1
			switch {
			case set && at/8 >= len(raw):
				return nil, fmt.Errorf("stray bits at the end")
			case set:
				raw[at/8] |= 1 << (7 - at%8)
			}
		}
	}
	return raw, nil
}

func number(b []byte) uint64 {
	var n uint64
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	return n
}

// second reads a text as section 2 to 4 say.
func second(text string, public []byte) (string, *fields) {
	const none = "not_a_credential"
	if len(text) != 163 || !strings.HasPrefix(text, "YP1:") {
		return none, nil
	}
	raw, err := readBits(text[4:])
	if err != nil || len(raw) != 99 || raw[0] != 1 {
		return none, nil
	}
	f := &fields{
		Key: uint16(number(raw[1:3])), Tenant: uint32(number(raw[3:7])), Session: number(raw[7:15]),
		Group: uint16(number(raw[15:17])), Ticket: number(raw[17:25]), Number: uint16(number(raw[25:27])),
		Random: hex.EncodeToString(raw[27:35]), Signature: hex.EncodeToString(raw[35:99]),
	}
	if !ed25519.Verify(public, []byte(context+string(raw[:35])), raw[35:99]) {
		return "bad_signature", f
	}
	return "good", f
}

func TestCredential_AReaderMadeFromTheDocumentAgrees(t *testing.T) {
	for _, v := range readVectors(t) {
		got, f := second(v.Text, unhex(t, v.Public))
		if got != v.Want {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Want)
		}
		if (f == nil) != (v.Fields == nil) || f != nil && *f != *v.Fields {
			t.Errorf("%s: fields %+v, want %+v", v.Name, f, v.Fields)
		}
		sum := sha256.Sum256([]byte(v.Text))
		if hex.EncodeToString(sum[:16]) != v.Hash {
			t.Errorf("%s: hash %x, want %s", v.Name, sum[:16], v.Hash)
		}
		if key := ed25519.NewKeyFromSeed(unhex(t, v.Seed)); hex.EncodeToString(key[32:]) != v.Public {
			t.Errorf("%s: the public key is not that of the seed", v.Name)
		}
	}
}

// example reads the worked example of the document: lines "name = value", values continued by indented lines.
func example(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(raw), "```worked-example\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the document has no worked example")
	}
	out := make(map[string]string)
	last := ""
	for _, line := range strings.Split(strings.TrimRight(block, "\n"), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, " ") {
			last = strings.TrimSpace(name)
			out[last] = strings.TrimSpace(value)
			continue
		}
		out[last] += strings.TrimSpace(line)
	}
	return out
}

// TestCredential_WorkedExampleOfTheDocument computes every line of it again.
func TestCredential_WorkedExampleOfTheDocument(t *testing.T) {
	ex := example(t)
	key := ed25519.NewKeyFromSeed(unhex(t, ex["seed"]))
	body := ""
	for _, name := range []string{"version", "key id", "tenant", "session", "gate group", "ticket", "number", "random"} {
		body += ex[name]
	}
	signed := hex.EncodeToString([]byte(context)) + body
	signature := hex.EncodeToString(ed25519.Sign(key, unhex(t, signed)))
	text := "YP1:" + base32Of(unhex(t, body+signature))
	sum := sha256.Sum256([]byte(text))
	for name, want := range map[string]string{
		"public": hex.EncodeToString(key[32:]), "body": body, "signed": signed, "signature": signature,
		"text": text, "hash": hex.EncodeToString(sum[:16]),
	} {
		if ex[name] != want {
			t.Errorf("%s is %s in the document, want %s", name, ex[name], want)
		}
	}
	if got, _ := reading(ex["text"], unhex(t, ex["public"])); got != "good" {
		t.Errorf("the program reads the example as %s", got)
	}
}
