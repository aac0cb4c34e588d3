package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"yipiao/drivers/port"
	"yipiao/drivers/port/bridgeport"
	"yipiao/edge/internal/devices"
	"yipiao/sync/link/identity"
)

func TestOpeningSaysWhatALocalPortSays(t *testing.T) {
	s := newSite(t, newRoot(t), 3)
	_, path := plug(t, "scanner-1", mute{})
	k := run(t, s.bridge("d1", time.Now(), time.Now()), map[string]devices.Port{
		"scanner-1": serial(path), "scanner-2": serial(path + "-none"), "scanner-3": serial(os.DevNull),
	})
	trust := s.trust(s.caller(), nil)
	open := func(name, line string) (*bridgeport.Port, error) {
		return bridgeport.Open(t.Context(), bridgeport.Config{Address: k.address, Name: name, Line: line}, trust)
	}
	p, err := open("scanner-1", "")
	if err != nil {
		t.Fatal(err)
	}
	var ce *port.ConfigError
	if _, err := open("scanner-1", "lp"); !errors.As(err, &ce) || ce.Field != "line" {
		t.Errorf("another line: %v", err)
	}
	if _, err := open("scanner-1", "serial"); !errors.Is(err, port.ErrBusy) {
		t.Errorf("a port that its station uses: %v, want port.ErrBusy", err)
	}
	if _, err := open("scanner-2", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not plugged in: %v", err)
	}
	if _, err := open("scanner-3", ""); !errors.As(err, &ce) || ce.Field != "name" {
		t.Errorf("no tty: %v", err)
	}
	if _, err := open("scanner-9", ""); !errors.As(err, &ce) || ce.Field != "name" {
		t.Errorf("unknown port: %v", err)
	}
	for range 20 { // closed is free, at once
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if p, err = open("scanner-1", ""); err != nil {
			t.Fatal(err)
		}
	}
	k.stop()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, port.ErrGone) {
		t.Errorf("Read from a bridge that has ended: %v, want port.ErrGone", err)
	}
	_ = p.Close()
	if log := k.log.String(); !strings.Contains(log, "station connected") || strings.Count(log, "port not opened") != 4 {
		t.Errorf("log:\n%s", log)
	}
}

// TestANewConnectionTakesOverFromADeadOne: of a station that has lost its power the bridge hears nothing.
func TestANewConnectionTakesOverFromADeadOne(t *testing.T) {
	s := newSite(t, newRoot(t), 3)
	_, path := plug(t, "scanner-1", mute{})
	k := run(t, s.bridge("d1", time.Now(), time.Now()), map[string]devices.Port{"scanner-1": serial(path)})
	network, through := relay(t, k.address)
	trust := s.trust(s.caller(), nil)
	old, err := bridgeport.Open(t.Context(), bridgeport.Config{Address: through, Name: "scanner-1"}, trust)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	if err := network.SetDelay(time.Minute); err != nil {
		t.Fatal(err)
	}
	p, err := bridgeport.Open(t.Context(), bridgeport.Config{Address: k.address, Name: "scanner-1"}, trust)
	if err != nil {
		t.Fatalf("the new connection: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	_ = old.SetReadDeadline(time.Now().Add(patience))
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, port.ErrGone) {
		t.Errorf("the old connection: %v, want port.ErrGone", err)
	}
}

func TestWhoIsRefused(t *testing.T) {
	root := newRoot(t)
	s, other := newSite(t, root, 3), newSite(t, root, 4)
	foreign := newSite(t, newRoot(t), 3)
	_, path := plug(t, "scanner-1", mute{})
	ports := map[string]devices.Port{"scanner-1": serial(path)}
	now := time.Now()
	ended := now.Add(-identity.DeviceLife - time.Hour)
	for name, c := range map[string]struct {
		bridge  *Self
		station bridgeport.Trust
		says    string
	}{
		"a station of another site":           {s.bridge("d1", now, now), s.trust(other.caller(), nil), "refuses this station"},
		"a station of another deployment":     {s.bridge("d1", now, now), s.trust(foreign.caller(), nil), "refuses this station"},
		"another device instead of a station": {s.bridge("d1", now, now), s.trust(s.device("d2", now), nil), "refuses this station"},
		"a station whose certificate ended":   {s.bridge("d1", now, now), s.trust(s.device(identity.StationDevice, ended), nil), "refuses this station"},
		"a station without a certificate":     {s.bridge("d1", now, now), s.trust(&tls.Certificate{}, nil), "refuses this station"},
		"a bridge of another site":            {other.bridge("d1", now, now), s.trust(s.caller(), nil), "device/4/d1"},
		"a bridge of another deployment":      {foreign.bridge("d1", now, now), s.trust(s.caller(), nil), "unknown authority"},
		"a bridge whose certificate ended":    {s.bridge("d1", ended, ended), s.trust(s.caller(), nil), "expired"},
		"a bridge that was revoked":           {s.bridge("d1", now, now), s.trust(s.caller(), func(id string) error { return fmt.Errorf("%w: %s", errRevoked, id) }), "revoked: d1"},
		"a bridge that passes for a station":  {s.bridge(identity.StationDevice, now, now), s.trust(s.caller(), nil), "role"},
	} {
		k := run(t, c.bridge, ports)
		p, err := bridgeport.Open(t.Context(), bridgeport.Config{Address: k.address, Name: "scanner-1"}, c.station)
		if err == nil {
			_ = p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		k.stop()
		if log := k.log.String(); strings.Contains(log, "station connected") {
			t.Errorf("%s: it got the port:\n%s", name, log)
		}
	}
}

// TestRevokedInTheMiddle: revoking is changing the row; the port ends within a second.
func TestRevokedInTheMiddle(t *testing.T) {
	s := newSite(t, newRoot(t), 3)
	_, path := plug(t, "scanner-1", mute{})
	k := run(t, s.bridge("d1", time.Now(), time.Now()), map[string]devices.Port{"scanner-1": serial(path)})
	revoked := make(chan struct{})
	p, err := bridgeport.Open(t.Context(), bridgeport.Config{Address: k.address, Name: "scanner-1"}, s.trust(s.caller(), func(string) error {
		select {
		case <-revoked:
			return errRevoked
		default:
			return nil
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	close(revoked)
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, errRevoked) {
		t.Errorf("Read: %v, want %v", err, errRevoked)
	}
}

// TestTheCertificateIsRenewedWhileTheStationIsConnected: at two thirds of its life, and it is kept.
func TestTheCertificateIsRenewedWhileTheStationIsConnected(t *testing.T) {
	s := newSite(t, newRoot(t), 3)
	_, path := plug(t, "scanner-1", mute{})
	issued := time.Now().Add(-identity.DeviceLife * 3 / 4)
	self := s.bridge("d1", issued, issued)
	before := self.Until()
	k := run(t, self, map[string]devices.Port{"scanner-1": serial(path)})
	p, err := bridgeport.Open(t.Context(), bridgeport.Config{Address: k.address, Name: "scanner-1"}, s.trust(s.caller(), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(patience); !self.Until().After(before); <-tick.C {
		if time.Now().After(until) {
			t.Fatalf("not renewed; log:\n%s", k.log)
		}
	}
	again, err := LoadSelf(self.dir, time.Now)
	if err != nil || !again.Until().Equal(self.Until()) || again.Device != "d1" {
		t.Errorf("after a restart: %v, %v", again, err)
	}
	if csr := self.request(); csr != nil {
		t.Error("it asks again")
	}
}

func TestRenewalThatDoesNotFit(t *testing.T) {
	root := newRoot(t)
	s, other := newSite(t, root, 3), newSite(t, root, 4)
	self := s.bridge("d1", time.Now(), time.Now())
	if csr := self.request(); csr != nil {
		t.Error("a new certificate is to be renewed")
	}
	csr, err := identity.NewCSR(self.key)
	if err != nil {
		t.Fatal(err)
	}
	certs := func(by *site, device string, csr []byte) []byte {
		c, err := by.authority.IssueDevice(csr, device, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return identity.EncodeCerts(c, by.authority.Cert, root.Cert)
	}
	_, strange := keyAndCSR(t)
	for name, text := range map[string][]byte{
		"nothing":        nil,
		"another key":    certs(s, "d1", strange),
		"another device": certs(s, "d2", csr),
		"another site":   certs(other, "d1", csr),
	} {
		if err := self.renew(text); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
