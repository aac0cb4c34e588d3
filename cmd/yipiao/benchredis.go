package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/redis/go-redis/v9"
)

// redisCheck is a check as one atomic script: status and use are compared and counted, and the fact goes
// into a stream, as the station's goes into its journal.
var redisCheck = redis.NewScript(`
local t = redis.call('HMGET', KEYS[1], 'status', 'used', 'max')
if t[1] ~= 'valid' or tonumber(t[2]) >= tonumber(t[3]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'used', 1)
redis.call('XADD', KEYS[2], '*', 'ticket', KEYS[1], 'nonce', ARGV[1])
return 1`)

// redisPeer is a Redis server that syncs its append-only file before it answers.
type redisPeer struct {
	proc       *peerProc
	plain, tls string
	cert       *benchCert
	keys       []string
}

func (b *benchRun) startRedis(ctx context.Context, cert *benchCert, tickets int) (*redisPeer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("缺少 redis-server，见 .ci/deps bench (missing): %w", err)
	}
	dir := filepath.Join(b.dir, "redis")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	p := &redisPeer{cert: cert, keys: make([]string, tickets)}
	if p.plain, err = free(); err != nil {
		return nil, err
	}
	if p.tls, err = free(); err != nil {
		return nil, err
	}
	_, plain, _ := net.SplitHostPort(p.plain)
	_, secure, _ := net.SplitHostPort(p.tls)
	p.proc, err = b.run("redis", nil, path, "--bind", "127.0.0.1", "--port", plain, "--tls-port", secure, "--tls-cert-file", cert.certFile,
		"--tls-key-file", cert.keyFile, "--tls-ca-cert-file", cert.certFile, "--tls-auth-clients", "no", "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0")
	if err != nil {
		return nil, err
	}
	if err := p.fill(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *redisPeer) fill(ctx context.Context) error {
	c := p.client(1, false)
	defer func() { _ = c.Close() }()
	if err := p.proc.up(ctx, func(ctx context.Context) error { return c.Ping(ctx).Err() }); err != nil {
		return err
	}
	if err := redisCheck.Load(ctx, c).Err(); err != nil {
		return err
	}
	pipe := c.Pipeline()
	for i := range p.keys {
		p.keys[i] = fmt.Sprintf("ticket:%d", i)
		pipe.HSet(ctx, p.keys[i], "status", "valid", "used", 0, "max", 65_000)
		if pipe.Len() == 5000 || i == len(p.keys)-1 {
			if _, err := pipe.Exec(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *redisPeer) client(conns int, secure bool) *redis.Client {
	o := &redis.Options{Addr: p.plain, PoolSize: conns, MinIdleConns: conns, DisableIdentity: true}
	if secure {
		o.Addr, o.TLSConfig = p.tls, p.cert.trust
	}
	return redis.NewClient(o)
}

func (p *redisPeer) name() string { return "redis" }

func (p *redisPeer) close() { p.proc.stop() }

func (p *redisPeer) prepare(c *cell, secure bool) {
	var client *redis.Client
	c.do = func(ctx context.Context, k *caller) error {
		n, err := redisCheck.EvalSha(ctx, client, []string{p.keys[k.at], "facts"}, k.nonce[:]).Int()
		if err == nil && n != 1 {
			err = fmt.Errorf("not admitted: %d", n)
		}
		return err
	}
	c.around = func(ctx context.Context, measure func() error) error {
		client = p.client(c.fig.Callers, secure)
		defer func() { _ = client.Close() }()
		if _, err := drive(ctx, c.fig.Callers, connecting, 0, c.codes, c.do); err != nil {
			return err
		}
		return measure()
	}
}
