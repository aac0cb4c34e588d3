package httplink

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"yipiao/sync/link/identity"
	"yipiao/sync/wire"
)

// Enrolment is a machine's new identity, verified: both certificates end at the pinned root, carry
// the machine's own keys and the roles they must have.
type Enrolment struct {
	Reply   *wire.EnrolReply
	Root    *x509.Certificate
	Station []*x509.Certificate // leaf first, root last
	Site    []*x509.Certificate // site authority first, root last
}

// EnrolConfig is what Enrol may need besides the code.
type EnrolConfig struct {
	Dial Dial             // nil: an ordinary dialer
	Now  func() time.Time // nil: the machine's clock
}

// Enrol uses code to certify the keys of two signing requests (identity.NewCSR). The server must
// prove to belong to the deployment that the code pins. A refusal is a *wire.Error; after any other
// error the same call may be repeated with the same signing requests, and gets the same answer.
func Enrol(ctx context.Context, code identity.Code, stationCSR, siteCSR []byte, cfg EnrolConfig) (*Enrolment, error) {
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	client, err := newClient(code.Address, cfg.Dial, identity.EnrolTLS(code.Root, now))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	body, err := json.Marshal(wire.EnrolRequest{
		Version: wire.Version, CodeID: code.ID(), StationCSR: stationCSR, SiteCSR: siteCSR,
		Proof: identity.Proof(code.Secret(), stationCSR, siteCSR),
	})
	if err != nil {
		return nil, fmt.Errorf("encode enrolment: %w", err)
	}
	var reply wire.EnrolReply
	err = client.call(ctx, answerTimeout, message{method: http.MethodPost, path: pathEnrol, body: body, kind: "application/json"}, &reply)
	if err != nil {
		return nil, err
	}
	return checkReply(code, &reply, stationCSR, siteCSR, now())
}

func checkReply(code identity.Code, reply *wire.EnrolReply, stationCSR, siteCSR []byte, now time.Time) (*Enrolment, error) {
	root, err := x509.ParseCertificate(reply.Root)
	if err != nil {
		return nil, fmt.Errorf("enrolment reply: root: %w", err)
	}
	if identity.RootHash(root) != code.Root {
		return nil, errors.New("enrolment reply: root is not the one that the code pins")
	}
	if reply.Epoch == 0 || len(reply.ChainKey) == 0 {
		return nil, errors.New("enrolment reply: journal epoch or chain key is missing")
	}
	e := &Enrolment{Reply: reply, Root: root}
	who := identity.Identity{Role: identity.RoleStation, Tenant: reply.Tenant, Station: reply.Station}
	if e.Station, err = checkChain(reply.StationChain, root, stationCSR, who, now); err != nil {
		return nil, fmt.Errorf("enrolment reply: station certificate: %w", err)
	}
	who.Role = identity.RoleSite
	if e.Site, err = checkChain(reply.SiteChain, root, siteCSR, who, now); err != nil {
		return nil, fmt.Errorf("enrolment reply: site certificate: %w", err)
	}
	return e, nil
}

func checkChain(chain [][]byte, root *x509.Certificate, csr []byte, want identity.Identity, now time.Time) ([]*x509.Certificate, error) {
	if len(chain) != 2 || !bytes.Equal(chain[1], root.Raw) {
		return nil, errors.New("chain is not leaf and root")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, err
	}
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(leaf.RawSubjectPublicKeyInfo, req.RawSubjectPublicKeyInfo) {
		return nil, errors.New("it certifies another key")
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, err
	}
	id, err := identity.FromChain(chains[0])
	if err != nil {
		return nil, err
	}
	if id != want {
		return nil, fmt.Errorf("%w: it names %s, want %s", identity.ErrRole, id.URI(), want.URI())
	}
	return []*x509.Certificate{leaf, root}, nil
}
