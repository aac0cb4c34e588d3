package cloud

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
)

// renewEvery is how often the node looks at its certificate.
const renewEvery = time.Hour

// Run serves stations, people and tools until ctx ends, and returns after everything it started has
// ended: nil, or why it could not go on. It is called at most once.
func (c *Cloud) Run(ctx context.Context) error {
	if _, err := c.node.ensure(c.now()); err != nil {
		return err
	}
	ln, err := listen("listen.sync", c.cfg.Listen.Sync)
	if err != nil {
		return err
	}
	c.syncAddr = ln.Addr()
	close(c.bound)
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		tlsConfig := identity.ServerTLS(c.node.current, c.root.Cert, c.clock)
		return httplink.Serve(ctx, ln, httplink.NewServer(watched{c.hub, c.web}, c.log, c.clock), tlsConfig, c.log)
	})
	all.Go(func() error { return c.hub.Run(ctx) })
	all.Go(func() error { return c.renew(ctx) })
	all.Go(func() error { return c.web.run(ctx) })
	c.log.Info("cloud serves stations", "address", c.syncAddr.String(), "tenant", c.tenant.ID)
	return all.Wait()
}

// Bound returns the address of the sync listener once Run listens.
func (c *Cloud) Bound(ctx context.Context) (string, error) {
	select {
	case <-c.bound:
		return c.syncAddr.String(), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// renew replaces the certificate long before it ends. A failure is tried again.
func (c *Cloud) renew(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch renewed, err := c.node.ensure(c.now()); {
		case err != nil:
			c.log.Error("renew cloud certificate failed", "err", err)
		case renewed:
			c.log.Info("cloud certificate renewed")
		}
	}
}

func listen(field, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s：%s 不能使用 (cannot listen): %w", field, address, err)
	}
	return ln, nil
}
