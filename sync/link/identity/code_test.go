package identity_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

func newCode(t *testing.T, address string, seed byte) identity.Code {
	t.Helper()
	c, err := identity.NewCode(address, ticket.PayloadHash("root"), rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCode_RoundTripAsPeopleTypeIt(t *testing.T) {
	for _, address := range []string{"127.0.0.1:9443", "cloud.example.cn:9443", "[::1]:1"} {
		c := newCode(t, address, 1)
		text := c.String()
		if !regexp.MustCompile(`^E1/\S+/([0-9A-Z]{5}-){8}[0-9A-Z*~$=]{3}$`).MatchString(text) {
			t.Errorf("text %q", text)
		}
		at := strings.LastIndex(text, "/") + 1
		for _, typed := range []string{
			text, strings.ToLower(text), "  " + text + "\n", text[:at] + strings.ReplaceAll(text[at:], "-", ""),
			text[:at] + strings.NewReplacer("0", "O", "1", "l", "-", " ").Replace(text[at:]),
		} {
			if back, err := identity.ParseCode(typed); err != nil || back != c {
				t.Errorf("%q was read as %+v, %v", typed, back, err)
			}
		}
	}
}

func TestCode_ErrorsNameWhatIsWrong(t *testing.T) {
	text := newCode(t, "127.0.0.1:9443", 2).String()
	at := strings.LastIndex(text, "/") + 1
	for want, typed := range map[string]string{
		"bad_enrol_code_shape":     "hello",
		"bad_enrol_code_address":   "E1/127.0.0.1/" + text[at:],
		"bad_enrol_code_length":    text[:len(text)-2],
		"bad_enrol_code_character": text[:at] + "U" + text[at+1:],
		"bad_enrol_code_check":     "E1/127.0.0.2:9443/" + text[at:],
	} {
		_, err := identity.ParseCode(typed)
		var fe *ticket.FieldError
		if !errors.As(err, &fe) || fe.Code != want {
			t.Errorf("%q: %v, want %s", typed, err, want)
		}
	}
	for _, address := range []string{"", "x", ":1", "x:0", "x:70000", "a/b:1", "x:y"} {
		if _, err := identity.NewCode(address, ticket.Hash{}, rand.NewChaCha8([32]byte{})); err == nil {
			t.Errorf("address %q was accepted", address)
		}
	}
}

// Every single wrong character and every swap of two neighbours is found.
func TestCode_CheckCharacterFindsTypingErrors(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	for seed := range byte(20) {
		text := newCode(t, "127.0.0.1:9443", seed).String()
		at := strings.LastIndex(text, "/") + 1
		for i := at; i < len(text)-1; i++ {
			if text[i] == '-' {
				continue
			}
			for _, r := range alphabet {
				if wrong := text[:i] + string(r) + text[i+1:]; wrong != text {
					if _, err := identity.ParseCode(wrong); err == nil {
						t.Fatalf("%q was read, it is %q", wrong, text)
					}
				}
			}
			if a, b := text[i], text[i+1]; a != b && b != '-' && i+2 < len(text) {
				wrong := text[:i] + string(b) + string(a) + text[i+2:]
				if _, err := identity.ParseCode(wrong); err == nil {
					t.Fatalf("%q was read, it is %q", wrong, text)
				}
			}
		}
	}
}

func TestCode_HalvesDifferAndProofBindsBothRequests(t *testing.T) {
	a, b := newCode(t, "x:1", 1), newCode(t, "x:1", 2)
	if a.ID() == b.ID() || bytes.Equal(a.Secret(), b.Secret()) || strings.Contains(string(a.Secret()), a.ID()) {
		t.Fatal("codes are not told apart")
	}
	p := identity.Proof(a.Secret(), []byte("ab"), []byte("c"))
	for name, other := range map[string][]byte{
		"secret":   identity.Proof(b.Secret(), []byte("ab"), []byte("c")),
		"boundary": identity.Proof(a.Secret(), []byte("a"), []byte("bc")),
		"order":    identity.Proof(a.Secret(), []byte("c"), []byte("ab")),
	} {
		if bytes.Equal(p, other) {
			t.Errorf("proof does not depend on %s", name)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add("E1/127.0.0.1:9443/ABCDE")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := identity.ParseCode(text)
		if err != nil {
			return
		}
		if back, err := identity.ParseCode(c.String()); err != nil || back != c {
			t.Fatalf("%q was read as %+v, which reads back as %+v, %v", text, c, back, err)
		}
	})
}
