// Package fleet is the station's registry: the devices that may ask it something and the people who
// may log in, with their permissions.
//
// A token says who a party is; its row here says what it may do, and revoking is changing the row
// (architecture.md section 5). The package must not know tickets, HTTP or how rows are sealed.
package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"yipiao/sync/ticket"
)

// Errors that callers branch on.
var (
	// ErrWrong is returned when name and password do not fit together.
	ErrWrong = errors.New("fleet: wrong name or password")
	// ErrLocked is returned after too many wrong passwords, until the lock ends.
	ErrLocked = errors.New("fleet: account is locked")
)

// A Store keeps rows durably and sealed.
type Store interface {
	PutLocal(key string, v any) error
	EachLocal(prefix string, use func(key string, decode func(any) error) error) error
}

// A Permission is something a device may do.
type Permission string

// Permissions.
const (
	MayCheck Permission = "check" // ask for entries and exits at its lanes
	MayRead  Permission = "read"  // read state, digests and lane events: for tools
	// MayBridge is to offer its ports to the station (yipiao bridge); it comes with a certificate and no token.
	MayBridge Permission = "bridge"
)

// A Device is a registry row.
type Device struct {
	ID        string       `json:"id"` // short, random, stands in facts
	Name      string       `json:"name"`
	Lanes     []string     `json:"lanes"`
	May       []Permission `json:"may"`
	Token     ticket.Hash  `json:"token"` // SHA-256/128 of the token, which is kept nowhere; zero: it has a certificate
	CreatedMs int64        `json:"created_ms"`
	RevokedMs int64        `json:"revoked_ms,omitempty"`
}

// Permitted reports whether the device may do p at a lane; lane "" asks for p alone.
func (d *Device) Permitted(p Permission, lane string) bool {
	if d.RevokedMs != 0 {
		return false
	}
	ok := false
	for _, have := range d.May {
		ok = ok || have == p
	}
	if !ok || lane == "" {
		return ok
	}
	for _, have := range d.Lanes {
		if have == lane {
			return true
		}
	}
	return false
}

// A Fleet is safe for concurrent use.
type Fleet struct {
	store Store
	now   func() time.Time

	hashing sync.Mutex // one password at a time: each takes 19 MiB

	mu       sync.Mutex              // guards the fields below
	devices  map[string]*Device      // by id; rows are replaced, never changed
	tokens   map[ticket.Hash]*Device // the same by token hash, where they have one
	accounts map[string]*account
	tries    map[string]*tries
	sessions map[string]session
	health   map[string]Health   // by registry id, since the start
	invited  map[string]*invited // by the id of the code
}

const (
	devicePrefix  = "device/"
	accountPrefix = "account/"
)

// Open loads the registry.
func Open(store Store, now func() time.Time) (*Fleet, error) {
	f := &Fleet{
		store: store, now: now, devices: make(map[string]*Device), tokens: make(map[ticket.Hash]*Device), accounts: make(map[string]*account),
		tries: make(map[string]*tries), sessions: make(map[string]session), health: make(map[string]Health),
		invited: make(map[string]*invited),
	}
	err := store.EachLocal(devicePrefix, func(_ string, decode func(any) error) error {
		d := &Device{}
		if err := decode(d); err != nil {
			return err
		}
		f.put(d)
		return nil
	})
	if err == nil {
		err = store.EachLocal(accountPrefix, func(_ string, decode func(any) error) error {
			a := &account{}
			if err := decode(a); err != nil {
				return err
			}
			f.accounts[a.Name] = a
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	return f, nil
}

// AddDevice registers a device and returns its row and its token, which is shown once and kept nowhere.
func (f *Fleet) AddDevice(name string, lanes []string, may []Permission) (Device, string, error) {
	if err := checkName(name); err != nil {
		return Device{}, "", err
	}
	for _, p := range may {
		if p != MayCheck && p != MayRead {
			return Device{}, "", &ticket.FieldError{Field: "may", Want: "check | read", Code: "bad_device_permission"}
		}
	}
	token, err := randomText(32)
	if err != nil {
		return Device{}, "", err
	}
	id, err := newID()
	if err != nil {
		return Device{}, "", err
	}
	d := &Device{ID: id, Name: name, Lanes: lanes, May: may, Token: tokenHash(token), CreatedMs: f.now().UnixMilli()}
	if err := f.store.PutLocal(devicePrefix+d.ID, d); err != nil {
		return Device{}, "", fmt.Errorf("fleet: add device: %w", err)
	}
	f.mu.Lock()
	f.put(d)
	f.mu.Unlock()
	return *d, token, nil
}

// put is called under mu, or before anybody else knows f.
func (f *Fleet) put(d *Device) {
	f.devices[d.ID] = d
	if d.Token != (ticket.Hash{}) {
		f.tokens[d.Token] = d
	}
}

func checkName(name string) error {
	if strings.TrimSpace(name) == "" || len(name) > 60 {
		return &ticket.FieldError{Field: "name", Want: "1–60 字节的名称 (1 to 60 bytes)", Code: "bad_device_name"}
	}
	return nil
}

// newID is d and ten hexadecimal digits.
func newID() (string, error) {
	id := make([]byte, 5)
	if _, err := rand.Read(id); err != nil {
		return "", fmt.Errorf("fleet: %w", err)
	}
	return "d" + hex.EncodeToString(id), nil
}

// Device finds the device of a token. A revoked one is found too; Permitted refuses it.
func (f *Fleet) Device(token string) (*Device, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.tokens[tokenHash(token)]
	return d, ok
}

// Known finds the device with an id, also a revoked one.
func (f *Fleet) Known(id string) (*Device, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.devices[id]
	return d, ok
}

// Devices are all that were ever registered, by name.
func (f *Fleet) Devices() []Device {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Device, 0, len(f.devices))
	for _, d := range f.devices {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b Device) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return all
}

// DeviceName is the name of a registered device, "" for an id that nobody has.
func (f *Fleet) DeviceName(id string) string {
	d, ok := f.Known(id)
	if !ok {
		return ""
	}
	return d.Name
}

// Revoke withdraws a device by id, at once and durably.
func (f *Fleet) Revoke(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.devices[id]
	if !ok {
		return &ticket.FieldError{Field: "id", Want: "已登记的设备编号 (a registered device)", Code: "unknown_device"}
	}
	gone := *d
	gone.RevokedMs = f.now().UnixMilli()
	if err := f.store.PutLocal(devicePrefix+id, &gone); err != nil {
		return fmt.Errorf("fleet: revoke: %w", err)
	}
	f.put(&gone)
	return nil
}

func tokenHash(token string) ticket.Hash {
	sum := sha256.Sum256([]byte("yipiao device token\x00" + token))
	return ticket.Hash(sum[:ticket.HashSize])
}

func randomText(n int) (string, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("fleet: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
