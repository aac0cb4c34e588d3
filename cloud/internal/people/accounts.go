package people

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of logging in.
const (
	maxTries    = 5 // wrong passwords in a row until a name is locked
	lockFor     = 15 * time.Minute
	sessionFor  = 12 * time.Hour
	maxNames    = 10_000 // unknown names are the caller's: they must not fill the memory
	maxPassword = 200
)

// Errors of Accounts.Login.
var (
	// ErrWrong is returned for an unknown name or a wrong password, without saying which.
	ErrWrong = errors.New("people: wrong name or password")
	// ErrLocked is returned while a name is locked.
	ErrLocked = errors.New("people: locked after wrong passwords")
)

// A Lookup returns the verifier of a name and whether there is one.
type Lookup func(ctx context.Context, name string) (verifier string, found bool, err error)

type tries struct {
	wrong int
	until time.Time // locked
}

type session struct {
	name  string
	until time.Time
}

// Accounts lets operators log in. Sessions are kept in memory: they end with the process. It is safe
// for concurrent use.
type Accounts struct {
	lookup  Lookup
	now     func() time.Time
	nobody  func() (string, error) // verifier of no password, so that an unknown name takes as long
	hashing sync.Mutex             // one at a time: each takes 19 MiB

	mu sync.Mutex
	// mu guards the fields below.
	tries    map[string]*tries
	sessions map[string]session
}

// NewAccounts returns the accounts behind lookup.
func NewAccounts(lookup Lookup, now func() time.Time) *Accounts {
	return &Accounts{
		lookup: lookup, now: now, nobody: sync.OnceValues(unknown),
		tries: make(map[string]*tries), sessions: make(map[string]session),
	}
}

func unknown() (string, error) {
	password, err := NewPassword()
	if err != nil {
		return "", err
	}
	return NewVerifier(password)
}

// Verify reports whether the password is the name's, without any session. It takes as long for a name
// that does not exist.
func (a *Accounts) Verify(ctx context.Context, name, password string) (bool, error) {
	if len(password) > maxPassword {
		return false, nil
	}
	verifier, found, err := a.lookup(ctx, name)
	if err != nil {
		return false, err
	}
	if !found {
		if verifier, err = a.nobody(); err != nil {
			return false, err
		}
	}
	a.hashing.Lock()
	defer a.hashing.Unlock()
	good, err := Verify(verifier, password)
	return good && found, err
}

// Login returns a session token, ErrWrong, or ErrLocked after five wrong passwords in a row.
func (a *Accounts) Login(ctx context.Context, name, password string) (token string, err error) {
	t := a.begin(name)
	if t == nil {
		return "", ErrLocked
	}
	good, err := a.Verify(ctx, name, password)
	if err != nil {
		return "", err
	}
	if !good {
		return "", ErrWrong
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make session: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(raw)
	a.mu.Lock()
	defer a.mu.Unlock()
	*t = tries{}
	now := a.now()
	for old, s := range a.sessions {
		if now.After(s.until) {
			delete(a.sessions, old)
		}
	}
	a.sessions[token] = session{name, now.Add(sessionFor)}
	return token, nil
}

// begin counts a try as wrong before the password is looked at, so that many at once get no more
// tries than one after another. It returns nil for a name that is locked.
func (a *Accounts) begin(name string) *tries {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tries[name]
	if t == nil {
		t = &tries{}
		if len(a.tries) < maxNames {
			a.tries[name] = t
		}
	}
	now := a.now()
	if now.Before(t.until) {
		return nil
	}
	if t.wrong++; t.wrong >= maxTries {
		t.wrong, t.until = 0, now.Add(lockFor)
	}
	return t
}

// Who names the person of a session.
func (a *Accounts) Who(token string) (name string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sessions[token]
	if ok && a.now().After(s.until) {
		delete(a.sessions, token)
		return "", false
	}
	return s.name, ok
}

// Logout ends a session. An unknown token is no error.
func (a *Accounts) Logout(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, token)
}
