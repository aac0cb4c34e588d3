package fleet_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/fleet"
	"yipiao/sync/ticket"
)

// memStore keeps rows as the bytes that a disk would have, unsealed.
type memStore struct {
	mu   sync.Mutex
	rows map[string][]byte
	fail error
}

func newStore() *memStore { return &memStore{rows: make(map[string][]byte)} }

func (s *memStore) PutLocal(key string, v any) error {
	raw, err := json.Marshal(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = errors.Join(err, s.fail); err == nil {
		s.rows[key] = raw
	}
	return err
}

func (s *memStore) EachLocal(prefix string, use func(string, func(any) error) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for k := range s.rows {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := use(k, func(out any) error { return json.Unmarshal(s.rows[k], out) }); err != nil {
			return err
		}
	}
	return nil
}

// contains reports whether any stored byte string has the secret, as it is or in another dress.
func (s *memStore) contains(secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.rows {
		for _, dress := range []string{secret, hex.EncodeToString([]byte(secret))} {
			if strings.Contains(k, dress) || bytes.Contains(v, []byte(dress)) {
				return true
			}
		}
	}
	return false
}

type handClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *handClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func open(t *testing.T, s fleet.Store) (*fleet.Fleet, *handClock) {
	t.Helper()
	c := &handClock{at: time.Date(2026, 5, 20, 19, 0, 0, 0, time.UTC)}
	f, err := fleet.Open(s, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func person(t *testing.T, f *fleet.Fleet) (password string) {
	t.Helper()
	password, err := f.AddAccount("技术员", "technician")
	if err != nil {
		t.Fatal(err)
	}
	return password
}

func try(f *fleet.Fleet, password string) error {
	_, err := f.Login(context.Background(), "技术员", password)
	return err
}

func TestLogin_RightAndWrongPassword(t *testing.T) {
	store := newStore()
	f, _ := open(t, store)
	password := person(t, f)
	if len(password) < 16 {
		t.Fatalf("password of %d characters", len(password))
	}
	for _, wrong := range []string{"", "x", password + "x", password[:len(password)-1], strings.ToUpper(password), strings.Repeat("x", 500)} {
		f, _ := open(t, store) // nothing is locked after a start
		if err := try(f, wrong); !errors.Is(err, fleet.ErrWrong) {
			t.Errorf("%.20q: %v", wrong, err)
		}
	}
	if _, err := f.Login(t.Context(), "nobody", password); !errors.Is(err, fleet.ErrWrong) {
		t.Errorf("unknown name: %v", err)
	}
	token, err := f.Login(t.Context(), "技术员", password)
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := f.Who(token); !ok || name != "技术员" {
		t.Fatalf("%q, %v", name, ok)
	}
}

func TestLogin_LocksAfterFiveWrongAndUnlocksAfterFifteenMinutes(t *testing.T) {
	f, clock := open(t, newStore())
	password := person(t, f)
	for round := range 2 {
		for i := range 5 {
			if err := try(f, "wrong"); !errors.Is(err, fleet.ErrWrong) {
				t.Fatalf("round %d, try %d: %v", round, i, err)
			}
		}
		if err := try(f, password); !errors.Is(err, fleet.ErrLocked) {
			t.Fatalf("the right password at once: %v", err)
		}
		clock.pass(15*time.Minute - time.Millisecond)
		if err := try(f, password); !errors.Is(err, fleet.ErrLocked) {
			t.Fatalf("just before fifteen minutes: %v", err)
		}
		clock.pass(time.Millisecond)
	}
	if err := try(f, password); err != nil {
		t.Fatalf("after fifteen minutes: %v", err)
	}
}

func TestLogin_SuccessForgetsTheWrongOnes(t *testing.T) {
	f, _ := open(t, newStore())
	password := person(t, f)
	for range 3 {
		for range 4 {
			if err := try(f, "wrong"); !errors.Is(err, fleet.ErrWrong) {
				t.Fatal(err)
			}
		}
		if err := try(f, password); err != nil {
			t.Fatal(err)
		}
	}
}

// Many at once get no more tries than one after another.
func TestLogin_ParallelTriesAreCounted(t *testing.T) {
	f, _ := open(t, newStore())
	person(t, f)
	var mu sync.Mutex
	got := make(map[error]int)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := try(f, "wrong")
			mu.Lock()
			defer mu.Unlock()
			got[err]++
		})
	}
	wg.Wait()
	if got[fleet.ErrWrong] != 5 || got[fleet.ErrLocked] != 15 {
		t.Fatalf("%v", got)
	}
}

func TestSession_EndsAfterTwelveHoursAndAtLogout(t *testing.T) {
	f, clock := open(t, newStore())
	password := person(t, f)
	first, err := f.Login(t.Context(), "技术员", password)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.Login(t.Context(), "技术员", password)
	if err != nil || first == second {
		t.Fatalf("the same token twice, or %v", err)
	}
	f.Logout(first)
	if _, ok := f.Who(first); ok {
		t.Fatal("logged out, and still known")
	}
	clock.pass(12 * time.Hour)
	if _, ok := f.Who(second); !ok {
		t.Fatal("ended early")
	}
	clock.pass(time.Millisecond)
	if _, ok := f.Who(second); ok {
		t.Fatal("never ends")
	}
	for _, token := range []string{"", "x", first} {
		if _, ok := f.Who(token); ok {
			t.Errorf("token %q is known", token)
		}
	}
}

func TestAccount_SurvivesAndItsPasswordIsKeptNowhere(t *testing.T) {
	s := newStore()
	f, _ := open(t, s)
	if f.HasAccounts() {
		t.Fatal("an account that nobody made: no default anywhere")
	}
	password := person(t, f)
	if s.contains(password) {
		t.Fatal("the password is stored")
	}
	again, _ := open(t, s)
	if !again.HasAccounts() {
		t.Fatal("forgotten")
	}
	if err := try(again, password); err != nil {
		t.Fatal(err)
	}
	other, _ := open(t, newStore())
	if person(t, other) == password {
		t.Fatal("the same password twice")
	}
}

func TestAccount_NameIsTakenOnce(t *testing.T) {
	f, _ := open(t, newStore())
	password := person(t, f)
	var field *ticket.FieldError
	if _, err := f.AddAccount("技术员", "technician"); !errors.As(err, &field) || field.Code != "account_exists" {
		t.Fatalf("got %v", err)
	}
	if err := try(f, password); err != nil {
		t.Fatalf("the first password: %v", err)
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 61)} {
		if _, err := f.AddAccount(name, "technician"); !errors.As(err, &field) || field.Field != "name" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDevice_TokenIsOnlyHashedAtRest(t *testing.T) {
	s := newStore()
	f, _ := open(t, s)
	d, token, err := f.AddDevice("手持1", []string{"door"}, []fleet.Permission{fleet.MayCheck})
	if err != nil {
		t.Fatal(err)
	}
	if s.contains(token) || len(token) < 40 {
		t.Fatalf("token of %d characters is stored", len(token))
	}
	again, _ := open(t, s)
	got, ok := again.Device(token)
	if !ok || got.ID != d.ID || got.Name != "手持1" || !got.Permitted(fleet.MayCheck, "door") {
		t.Fatalf("after a restart: %+v, %v", got, ok)
	}
	hash, _ := d.Token.MarshalText()
	for _, wrong := range []string{"", "x", token + "x", string(hash), d.ID} {
		if _, ok := again.Device(wrong); ok {
			t.Errorf("%q is known", wrong)
		}
	}
}

func TestDevice_MayOnlyWhatItsRowSays(t *testing.T) {
	f, _ := open(t, newStore())
	d, _, err := f.AddDevice("手持1", []string{"door", "side"}, []fleet.Permission{fleet.MayCheck})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		may  fleet.Permission
		lane string
		want bool
	}{
		{fleet.MayCheck, "door", true},
		{fleet.MayCheck, "side", true},
		{fleet.MayCheck, "studio", false},
		{fleet.MayCheck, "", true},
		{fleet.MayRead, "door", false},
		{fleet.MayRead, "", false},
		{"everything", "", false},
	} {
		if got := d.Permitted(c.may, c.lane); got != c.want {
			t.Errorf("%s at %q: %v", c.may, c.lane, got)
		}
	}
}

func TestDevice_RevokedIsKnownAndMayNothing(t *testing.T) {
	s := newStore()
	f, _ := open(t, s)
	d, token, err := f.AddDevice("手持1", []string{"door"}, []fleet.Permission{fleet.MayCheck, fleet.MayRead})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := f.Device(token)
	if err := f.Revoke(d.ID); err != nil {
		t.Fatal(err)
	}
	if !before.Permitted(fleet.MayCheck, "door") {
		t.Fatal("a row was changed under its reader") // rows are replaced
	}
	again, _ := open(t, s)
	for _, f := range []*fleet.Fleet{f, again} {
		got, ok := f.Device(token)
		if !ok || got.Permitted(fleet.MayCheck, "door") || got.Permitted(fleet.MayRead, "") || got.RevokedMs == 0 {
			t.Fatalf("%+v, %v", got, ok)
		}
	}
	var field *ticket.FieldError
	if err := f.Revoke("d0"); !errors.As(err, &field) || field.Code != "unknown_device" {
		t.Fatalf("unknown device: %v", err)
	}
}

func TestDevice_BadInputIsNamed(t *testing.T) {
	f, _ := open(t, newStore())
	var field *ticket.FieldError
	for _, name := range []string{"", " ", strings.Repeat("x", 61)} {
		if _, _, err := f.AddDevice(name, nil, nil); !errors.As(err, &field) || field.Field != "name" {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, _, err := f.AddDevice("x", nil, []fleet.Permission{"everything"}); !errors.As(err, &field) || field.Field != "may" {
		t.Errorf("permission: %v", err)
	}
}

func TestFleet_WhatIsNotStoredDoesNotCount(t *testing.T) {
	s := newStore()
	f, _ := open(t, s)
	d, token, err := f.AddDevice("手持1", []string{"door"}, []fleet.Permission{fleet.MayCheck})
	if err != nil {
		t.Fatal(err)
	}
	s.fail = errors.New("disk")
	if _, _, err := f.AddDevice("手持2", nil, nil); !errors.Is(err, s.fail) {
		t.Errorf("device: %v", err)
	}
	if _, err := f.AddAccount("x", "y"); !errors.Is(err, s.fail) || f.HasAccounts() {
		t.Errorf("account: %v", err)
	}
	if err := f.Revoke(d.ID); !errors.Is(err, s.fail) {
		t.Errorf("revoke: %v", err)
	}
	if got, _ := f.Device(token); got.RevokedMs != 0 {
		t.Error("revoked, but not durably")
	}
}
