package people_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"yipiao/cloud/internal/people"
)

// cheap is a verifier that costs next to nothing.
func cheap(password string) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=8,t=1,p=1$" + b64([]byte("salt")) + "$" + b64(argon2.IDKey([]byte(password), []byte("salt"), 1, 8, 1, 32))
}

func TestAccounts(t *testing.T) {
	verifier := cheap("right")
	now := time.Unix(1_800_000_000, 0)
	lookup := func(_ context.Context, name string) (string, bool, error) {
		if name == "broken" {
			return "", false, errors.New("no database")
		}
		return verifier, name == "admin", nil
	}
	a := people.NewAccounts(lookup, func() time.Time { return now })
	token, err := a.Login(t.Context(), "admin", "right")
	if err != nil || len(token) < 40 {
		t.Fatalf("token %q, %v", token, err)
	}
	if name, ok := a.Who(token); !ok || name != "admin" {
		t.Fatalf("who is %q, %v", name, ok)
	}
	if _, ok := a.Who("other"); ok {
		t.Fatal("an invented token was accepted")
	}
	for _, c := range []struct{ name, password string }{{"admin", "wrong"}, {"nobody", "right"}, {"admin", strings.Repeat("x", 500)}} {
		if _, err := a.Login(t.Context(), c.name, c.password); !errors.Is(err, people.ErrWrong) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := a.Login(t.Context(), "broken", "x"); err == nil || errors.Is(err, people.ErrWrong) {
		t.Errorf("a fault: %v", err)
	}
	for range 3 {
		_, _ = a.Login(t.Context(), "admin", "wrong")
	}
	if _, err := a.Login(t.Context(), "admin", "right"); !errors.Is(err, people.ErrLocked) {
		t.Fatalf("after five wrong passwords: %v", err)
	}
	if good, err := a.Verify(t.Context(), "admin", "right"); !good || err != nil {
		t.Fatalf("verify is for one who holds the data directory, and is not locked: %v, %v", good, err)
	}
	now = now.Add(15 * time.Minute)
	second, err := a.Login(t.Context(), "admin", "right")
	if err != nil {
		t.Fatalf("after the lock: %v", err)
	}
	a.Logout(second)
	if _, ok := a.Who(second); ok {
		t.Fatal("a session goes on after logging out")
	}
	now = now.Add(12 * time.Hour)
	if _, ok := a.Who(token); ok {
		t.Fatal("a session never ends")
	}
}
