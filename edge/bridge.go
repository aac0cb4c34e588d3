package edge

import (
	"context"
	"log/slog"
	"net"
	"time"

	"yipiao/edge/internal/bridge"
	"yipiao/sync/link/identity"
)

// A Bridge is a machine that offers its ports to its station: a kiosk, a window or a gate PC.
type Bridge struct{ cfg bridge.Config }

// LoadBridge reads the configuration of a bridge strictly: an unknown key is an error that names it.
func LoadBridge(path string) (*Bridge, error) {
	cfg, err := bridge.LoadConfig(path)
	if err != nil {
		return nil, err
	}
	return &Bridge{cfg}, nil
}

// Enrol makes the machine a bridge with a one-time code of its station. It can be repeated, with a new code.
func (b *Bridge) Enrol(ctx context.Context, code string) (identity.Identity, error) {
	self, err := bridge.Enrol(ctx, b.cfg.Data, code, time.Now)
	if err != nil {
		return identity.Identity{}, err
	}
	return self.Identity, nil
}

// Offers are the ports by name, each as a technician writes it.
func (b *Bridge) Offers() map[string]string {
	out := make(map[string]string)
	for name, p := range b.cfg.Ports {
		out[name] = p.String()
	}
	return out
}

// Run serves the station until ctx ends. ready, if not nil, is told once who the machine is, until when, and where
// it listens. The error is bridge.ErrNotEnrolled or ErrExpired in their own words, or an address that cannot be had.
func (b *Bridge) Run(ctx context.Context, log *slog.Logger, ready func(who identity.Identity, until time.Time, at net.Addr)) error {
	self, err := bridge.LoadSelf(b.cfg.Data, time.Now)
	if err != nil {
		return err
	}
	return bridge.New(b.cfg, self, log, func(at net.Addr) {
		if ready != nil {
			ready(self.Identity, self.Until(), at)
		}
	}).Run(ctx)
}
