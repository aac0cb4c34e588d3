package fleet

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"yipiao/sync/ticket"
)

// maxInvited bounds the codes that are open at one time.
const maxInvited = 100

// ErrInvitation is returned by Join for a code that is unknown, has been used, or has run out.
var ErrInvitation = errors.New("fleet: no such code is open")

// An Invitation lets one program become a device with a certificate, once, with a code that a technician has made.
// It lives in memory: a station that starts anew has forgotten it.
type Invitation struct {
	Code   string // id of the code: not the secret
	Secret []byte
	Name   string // of the device that is to be
	By     string // who made it
	Until  time.Time
}

type invited struct {
	Invitation
	used   bool
	asked  [sha256.Size]byte // of the signing request that used it
	answer Joined
}

// A Joined is what came of an invitation.
type Joined struct {
	Device      Device
	Certificate []byte // as issue gave it
	By          string // who made the code
	Again       bool   // the same request has been answered before
}

// Invite opens a code.
func (f *Fleet) Invite(v Invitation) error {
	if err := checkName(v.Name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, old := range f.invited {
		if !f.now().Before(old.Until) {
			delete(f.invited, id)
		}
	}
	if len(f.invited) >= maxInvited {
		return &ticket.FieldError{Field: "code", Want: "少于 100 个未到期的登记码，请稍候 (too many open codes, wait)", Code: "too_many_codes"}
	}
	f.invited[v.Code] = &invited{Invitation: v}
	return nil
}

// Join uses a code up: it registers a device that may bridge, and has a certificate issued for it. request is the
// signing request; proven says whether the asker knows the code's secret. The same request again gets the same
// answer, because the first may have been lost on its way.
func (f *Fleet) Join(code string, request []byte, proven func(secret []byte) bool, issue func(id string) ([]byte, error)) (Joined, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.invited[code]
	if !ok || !f.now().Before(v.Until) || !proven(v.Secret) {
		return Joined{}, ErrInvitation
	}
	asked := sha256.Sum256(request)
	if v.used {
		if v.asked != asked {
			return Joined{}, ErrInvitation
		}
		again := v.answer
		again.Again = true
		return again, nil
	}
	id, err := newID()
	if err != nil {
		return Joined{}, err
	}
	cert, err := issue(id)
	if err != nil {
		return Joined{}, fmt.Errorf("fleet: join: %w", err)
	}
	d := &Device{ID: id, Name: v.Name, Lanes: []string{}, May: []Permission{MayBridge}, CreatedMs: f.now().UnixMilli()}
	if err := f.store.PutLocal(devicePrefix+id, d); err != nil {
		return Joined{}, fmt.Errorf("fleet: join: %w", err)
	}
	f.put(d)
	v.used, v.asked, v.answer = true, asked, Joined{Device: *d, Certificate: cert, By: v.By}
	return v.answer, nil
}
