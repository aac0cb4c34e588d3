package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A peer is another database that does the same work, a process of its own on the same disk.
type peer interface {
	name() string
	// prepare lets the cell's callers ask the peer, over connections of their own.
	prepare(c *cell, secure bool)
	close()
}

// peerGoals are least ratios of the station's rate to a peer's, by callers.
var peerGoals = map[string]map[int]float64{
	"redis":      {1: 1, 8: 1, 64: 1},
	"postgresql": {64: 3},
}

// peers measures the station's LAN API and the peers in turn, in the same passes, with the usual client
// library of each: net/http, go-redis, pgx. All are told the same about each check, and answer when it is durable.
func (b *benchRun) peers(ctx context.Context) error {
	if err := os.Chmod(b.dir, 0o711); err != nil { // PostgreSQL runs under another account
		return err
	}
	s, err := b.ready(ctx, "station", 100_000)
	if err != nil {
		return err
	}
	defer s.close()
	cert, err := b.selfSigned()
	if err != nil {
		return err
	}
	redis, err := b.startRedis(ctx, cert, len(s.codes))
	if err != nil {
		return err
	}
	defer redis.close()
	postgres, err := b.startPostgres(ctx, cert, len(s.codes))
	if err != nil {
		return err
	}
	defer postgres.close()
	return b.inTurn(ctx, s, []peer{redis, postgres})
}

// inTurn measures the station and each peer in turn, so that what disturbs the machine hits all alike.
func (b *benchRun) inTurn(ctx context.Context, s *benchSite, peers []peer) error {
	ways, err := s.ways()
	if err != nil {
		return err
	}
	for _, w := range ways {
		section := "peers, " + map[bool]string{true: "TLS", false: "plain"}[w.tls != nil]
		var cells []*cell
		for _, n := range []int{1, 8, 64} {
			add := func(name string) *cell {
				c := &cell{fig: figure{Section: section, Name: name, Callers: n}, codes: s.codes}
				cells = append(cells, c)
				return c
			}
			s.stock(add("station"), w)
			for _, p := range peers {
				p.prepare(add(p.name()), w.tls != nil)
			}
			s.lean(add("station, lean client"), w)
		}
		if err := b.block(ctx, cells); err != nil {
			return err
		}
		for i := 0; i < len(cells); i += 2 + len(peers) {
			for k := range peers {
				b.compare(cells[i], cells[i+1+k])
			}
		}
	}
	return nil
}

// compare adds the median of the ratios of two cells, pass by pass.
func (b *benchRun) compare(station, peer *cell) {
	var ratios []float64
	for i := range station.readings {
		ratios = append(ratios, station.readings[i].rate/peer.readings[i].rate)
	}
	f := station.figure()
	f.Name, f.Of, f.Ratio, f.Baseline = "station against "+peer.fig.Name, peer.fig.Name, median(ratios), *peer.figure().Value
	f.atLeast(peerGoals[peer.fig.Name][f.Callers])
	if f.Goal != nil && f.Callers < 64 { // faster, not just as fast
		f.OK = said(f.Ratio > *f.Goal)
	}
	b.add(f)
}

// A benchCert is a certificate for 127.0.0.1 that nobody but this run trusts.
type benchCert struct {
	certFile, keyFile string
	trust             *tls.Config
}

func (b *benchRun) selfSigned() (*benchCert, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	c := &benchCert{filepath.Join(b.dir, "peer.pem"), filepath.Join(b.dir, "peer.key"), &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.trust.RootCAs.AppendCertsFromPEM(text)
	if err := os.WriteFile(c.certFile, text, 0o644); err != nil {
		return nil, err
	}
	return c, os.WriteFile(c.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// A peerProc is a peer's server process. It ends with this program.
type peerProc struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File
}

// run starts a server; as is the account to run under, nil for this one.
func (b *benchRun) run(name string, as *syscall.Credential, path string, args ...string) (*peerProc, error) {
	log, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &peerProc{exec.Command(path, args...), make(chan struct{}), log}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = log, log, b.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT, Credential: as}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends a server at once but in order.
func (p *peerProc) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close()
}

// up waits until a server answers.
func (p *peerProc) up(ctx context.Context, ping func(context.Context) error) error {
	var last error
	err := poll(ctx, "the server does not answer", func() bool {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		last = ping(short)
		select {
		case <-p.done:
			last = fmt.Errorf("it ended: %s", p.cmd.ProcessState)
			return true
		default:
			return last == nil
		}
	})
	if last == nil {
		return err
	}
	text, _ := os.ReadFile(p.log.Name())
	return fmt.Errorf("%s: %w\n%s", p.cmd.Path, last, text)
}
