package cloud

import (
	"context"
	"crypto/tls"
	"errors"
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
	l, err := c.listen()
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		tlsConfig := identity.ServerTLS(c.node.current, c.root.Cert, c.clock)
		return httplink.Serve(ctx, l.sync, httplink.NewServer(watched{c.hub, c.web}, c.log, c.clock), tlsConfig, c.log)
	})
	all.Go(func() error { return c.hub.Run(ctx) })
	all.Go(func() error { return c.renew(ctx) })
	all.Go(func() error { return c.web.run(ctx, l.pages) })
	c.log.Info("cloud serves", "sync", c.at.Sync, "web", c.at.Web, "plain", c.at.Plain, "tenant", c.tenant.ID)
	return all.Wait()
}

// listeners are what Run listens on.
type listeners struct {
	sync  net.Listener
	pages []net.Listener
}

// listen takes all addresses or none, and notes what they are.
func (c *Cloud) listen() (l listeners, err error) {
	defer func() {
		if err == nil {
			close(c.bound)
			return
		}
		for _, ln := range append(l.pages, l.sync) {
			if ln != nil {
				err = errors.Join(err, ln.Close())
			}
		}
	}()
	if l.sync, err = listen("listen.sync", c.cfg.Listen.Sync); err != nil {
		return l, err
	}
	c.at.Sync = l.sync.Addr().String()
	if c.cfg.Listen.Web != "" {
		ln, err := listen("listen.web", c.cfg.Listen.Web)
		if err != nil {
			return l, err
		}
		c.at.Web = ln.Addr().String()
		l.pages = append(l.pages, tls.NewListener(ln, &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.node.current(), nil },
		}))
	}
	if c.cfg.Listen.Plain != "" {
		ln, err := listen("listen.plain", c.cfg.Listen.Plain)
		if err != nil {
			return l, err
		}
		c.at.Plain = ln.Addr().String()
		l.pages = append(l.pages, ln)
	}
	return l, nil
}

func listen(field, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s：%s 不能使用 (cannot listen): %w", field, address, err)
	}
	return ln, nil
}

// Bound returns the addresses of all listeners once Run listens; "" for one that is off.
func (c *Cloud) Bound(ctx context.Context) (Listen, error) {
	select {
	case <-c.bound:
		return c.at, nil
	case <-ctx.Done():
		return Listen{}, ctx.Err()
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
