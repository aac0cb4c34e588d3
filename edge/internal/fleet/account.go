package fleet

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"yipiao/sync/ticket"
)

// Argon2id parameters: one log-in costs about 30 ms and 19 MiB on a mini-PC.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
)

const (
	maxTries   = 5
	lockFor    = 15 * time.Minute
	sessionFor = 12 * time.Hour
	maxNames   = 10_000 // unknown names are the caller's: they must not fill the memory
)

type account struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Salt     []byte `json:"salt"`
	Verifier []byte `json:"verifier"` // Argon2id
}

type tries struct {
	wrong int
	until time.Time
}

type session struct {
	name  string
	until time.Time
}

// AddAccount makes an account with a random password, which is returned once and kept nowhere.
func (f *Fleet) AddAccount(name, role string) (password string, err error) {
	if strings.TrimSpace(name) == "" || len(name) > 60 {
		return "", &ticket.FieldError{Field: "name", Want: "1–60 字节的账号名 (1 to 60 bytes)", Code: "bad_account_name"}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.accounts[name] != nil {
		return "", &ticket.FieldError{Field: "name", Want: "未用过的账号名 (a name not in use)", Code: "account_exists"}
	}
	if password, err = randomText(12); err != nil {
		return "", err
	}
	a := &account{Name: name, Role: role, Salt: make([]byte, 16)}
	if _, err := rand.Read(a.Salt); err != nil {
		return "", fmt.Errorf("fleet: %w", err)
	}
	a.Verifier = verifier(password, a.Salt)
	if err := f.store.PutLocal(accountPrefix+name, a); err != nil {
		return "", fmt.Errorf("fleet: add account: %w", err)
	}
	f.accounts[name] = a
	return password, nil
}

// HasAccounts reports whether anybody can log in.
func (f *Fleet) HasAccounts() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.accounts) > 0
}

func verifier(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
}

// Login returns a session token, ErrWrong, or ErrLocked after five wrong passwords in a row.
func (f *Fleet) Login(_ context.Context, name, password string) (token string, err error) {
	if len(password) > 200 {
		return "", ErrWrong
	}
	t, a := f.begin(name)
	if t == nil {
		return "", ErrLocked
	}
	salt, want := make([]byte, 16), make([]byte, argonKey)
	if a != nil {
		salt, want = a.Salt, a.Verifier
	}
	f.hashing.Lock()
	good := subtle.ConstantTimeCompare(verifier(password, salt), want) == 1 && a != nil
	f.hashing.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !good {
		return "", ErrWrong
	}
	*t = tries{}
	if token, err = randomText(32); err != nil {
		return "", err
	}
	f.sessions[token] = session{name, f.now().Add(sessionFor)}
	return token, nil
}

// begin counts a try as wrong before the password is looked at, so that many at once get no more tries
// than one after another; it returns nil for an account that is locked. a is nil for an unknown name.
func (f *Fleet) begin(name string) (t *tries, a *account) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a = f.accounts[name]
	if t = f.tries[name]; t == nil {
		t = &tries{}
		if a != nil || len(f.tries) < maxNames {
			f.tries[name] = t
		}
	}
	now := f.now()
	if now.Before(t.until) {
		return nil, a
	}
	if t.wrong++; t.wrong >= maxTries {
		t.wrong, t.until = 0, now.Add(lockFor)
	}
	return t, a
}

// Who names the person of a session token.
func (f *Fleet) Who(token string) (name string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[token]
	if !ok {
		return "", false
	}
	if f.now().After(s.until) {
		delete(f.sessions, token)
		return "", false
	}
	return s.name, true
}

// Logout ends a session.
func (f *Fleet) Logout(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, token)
}
