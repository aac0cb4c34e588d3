package fleet_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"yipiao/edge/internal/fleet"
	"yipiao/sync/ticket"
)

func proven(secret []byte) bool { return string(secret) == "secret" }

func TestACodeRegistersOneBridge(t *testing.T) {
	s, clock := newStore(), &handClock{at: time.Unix(1_780_000_000, 0)}
	f, err := fleet.Open(s, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	v := fleet.Invitation{Code: "c1", Secret: []byte("secret"), Name: "1号窗口", By: "技术员", Until: clock.now().Add(10 * time.Minute)}
	if err := f.Invite(v); err != nil {
		t.Fatal(err)
	}
	issued := 0
	issue := func(id string) ([]byte, error) { issued++; return []byte("certificate of " + id), nil }
	for name, join := range map[string]func() (fleet.Joined, error){
		"another code": func() (fleet.Joined, error) { return f.Join("c2", []byte("csr"), proven, issue) },
		"not proven": func() (fleet.Joined, error) {
			return f.Join("c1", []byte("csr"), func([]byte) bool { return false }, issue)
		},
	} {
		if _, err := join(); !errors.Is(err, fleet.ErrInvitation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused := errors.New("no")
	if _, err := f.Join("c1", []byte("csr"), proven, func(string) ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("a bad request: %v", err)
	}
	done, err := f.Join("c1", []byte("csr"), proven, issue)
	if err != nil || done.By != "技术员" || done.Again || string(done.Certificate) != "certificate of "+done.Device.ID {
		t.Fatalf("%+v, %v", done, err)
	}
	if again, err := f.Join("c1", []byte("csr"), proven, issue); err != nil || !again.Again || !bytes.Equal(again.Certificate, done.Certificate) || issued != 1 {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	if _, err := f.Join("c1", []byte("another csr"), proven, issue); !errors.Is(err, fleet.ErrInvitation) {
		t.Errorf("another request: %v", err)
	}
	if s.contains("secret") {
		t.Error("the secret is kept")
	}

	f, err = fleet.Open(s, clock.now) // after a restart
	if err != nil {
		t.Fatal(err)
	}
	d, ok := f.Known(done.Device.ID)
	if !ok || d.Name != "1号窗口" || !d.Permitted(fleet.MayBridge, "") || d.Permitted(fleet.MayCheck, "") {
		t.Errorf("%+v", d)
	}
	if _, ok := f.Device(""); ok {
		t.Error("an empty token is somebody's")
	}
	if err := f.Revoke(d.ID); err != nil {
		t.Fatal(err)
	}
	if d, _ = f.Known(d.ID); d.Permitted(fleet.MayBridge, "") || len(f.Devices()) != 1 {
		t.Errorf("revoked: %+v", d)
	}
}

func TestCodesRunOutAndAreBounded(t *testing.T) {
	clock := &handClock{at: time.Unix(1_780_000_000, 0)}
	f, err := fleet.Open(newStore(), clock.now)
	if err != nil {
		t.Fatal(err)
	}
	var field *ticket.FieldError
	if err := f.Invite(fleet.Invitation{Code: "c", Name: " "}); !errors.As(err, &field) || field.Field != "name" {
		t.Errorf("no name: %v", err)
	}
	until := clock.now().Add(10 * time.Minute)
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = f.Invite(fleet.Invitation{Code: fmt.Sprint("c", n), Secret: []byte("secret"), Name: "x", Until: until})
	}
	if !errors.As(err, &field) || field.Code != "too_many_codes" {
		t.Errorf("after %d codes: %v", n, err)
	}
	clock.mu.Lock()
	clock.at = until
	clock.mu.Unlock()
	if _, err := f.Join("c0", nil, proven, nil); !errors.Is(err, fleet.ErrInvitation) {
		t.Errorf("at its end: %v", err)
	}
	if err := f.Invite(fleet.Invitation{Code: "new", Name: "x", Until: until.Add(time.Minute)}); err != nil {
		t.Errorf("after the old ones have ended: %v", err)
	}
}
