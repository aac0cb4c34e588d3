package ticket

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
)

// Layout of a credential, version 1 (docs/formats/credential.md).
const (
	CredentialPrefix  = "YP1:"
	credentialVersion = 1
	credentialBody    = 1 + 2 + 4 + 8 + 2 + 8 + 2 + 8
	credentialSize    = credentialBody + ed25519.SignatureSize
	// MaxCredentialText is the longest text of a credential; version 1 has exactly 163 characters.
	MaxCredentialText = 178
)

// signContext separates credentials from everything else that the key might ever sign.
const signContext = "yipiao credential v1\x00"

// Errors of ParseCredential and Verify.
var (
	// ErrNotCredential is returned for a text that is not a credential of a known version.
	ErrNotCredential = errors.New("ticket: not a credential")
	// ErrBadSignature is returned when the signature does not fit the key.
	ErrBadSignature = errors.New("ticket: bad signature")
)

// A Credential is what a ticket's QR code says: which ticket, signed, without personal data.
type Credential struct {
	Key     KeyID
	Tenant  TenantID
	Session SessionID
	Group   GateGroupID
	Ticket  TicketID
	Number  uint16  // credential number, raised at transfer and re-issue
	Random  [8]byte // makes the payload unguessable even for a thief of the signing key
	Sig     [ed25519.SignatureSize]byte
}

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

func (c *Credential) body() []byte {
	b := make([]byte, 0, credentialSize)
	b = append(b, credentialVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(c.Key))
	b = binary.BigEndian.AppendUint32(b, uint32(c.Tenant))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Session))
	b = binary.BigEndian.AppendUint16(b, uint16(c.Group))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Ticket))
	b = binary.BigEndian.AppendUint16(b, c.Number)
	return append(b, c.Random[:]...)
}

// Sign fills in the signature.
func (c *Credential) Sign(key ed25519.PrivateKey) {
	copy(c.Sig[:], ed25519.Sign(key, append([]byte(signContext), c.body()...)))
}

// Verify returns ErrBadSignature unless the signature fits the public key (32 bytes).
func (c *Credential) Verify(pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, append([]byte(signContext), c.body()...), c.Sig[:]) {
		return ErrBadSignature
	}
	return nil
}

// Text is the exact payload: the prefix and Base32 in capitals without padding.
func (c *Credential) Text() string {
	return CredentialPrefix + base32Text.EncodeToString(append(c.body(), c.Sig[:]...))
}

// ParseCredential reads a payload strictly: the prefix, capitals only, the exact length, no stray
// bits. So two different texts never name the same credential. It returns ErrNotCredential.
func ParseCredential(text string) (Credential, error) {
	var c Credential
	if len(text) > MaxCredentialText || len(text) < len(CredentialPrefix) || text[:len(CredentialPrefix)] != CredentialPrefix {
		return c, ErrNotCredential
	}
	var raw [credentialSize]byte
	if !decodeBase32(raw[:], text[len(CredentialPrefix):]) || raw[0] != credentialVersion {
		return c, ErrNotCredential
	}
	c.Key = KeyID(binary.BigEndian.Uint16(raw[1:]))
	c.Tenant = TenantID(binary.BigEndian.Uint32(raw[3:]))
	c.Session = SessionID(binary.BigEndian.Uint64(raw[7:]))
	c.Group = GateGroupID(binary.BigEndian.Uint16(raw[15:]))
	c.Ticket = TicketID(binary.BigEndian.Uint64(raw[17:]))
	c.Number = binary.BigEndian.Uint16(raw[25:])
	copy(c.Random[:], raw[27:35])
	copy(c.Sig[:], raw[35:])
	return c, nil
}

// base32Digits maps a character to its value, plus one; zero is no digit.
var base32Digits = func() (t [256]byte) {
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") {
		t[c] = byte(i) + 1
	}
	return t
}()

// decodeBase32 fills dst from text, which must have exactly the characters for it and no stray bit in
// the last. encoding/base32 allocates, skips line ends and ignores stray bits; this runs at every scan.
func decodeBase32(dst []byte, text string) bool {
	if len(text) != (len(dst)*8+4)/5 {
		return false
	}
	acc, bits, n := uint32(0), 0, 0
	for i := range len(text) {
		d := base32Digits[text[i]]
		if d == 0 {
			return false
		}
		acc, bits = acc<<5|uint32(d-1), bits+5
		if bits >= 8 {
			bits -= 8
			dst[n] = byte(acc >> bits)
			n++
		}
	}
	return n == len(dst) && acc&(1<<bits-1) == 0
}

// PayloadHash is SHA-256/128 of the exact payload text.
func PayloadHash(text string) Hash {
	var buf [MaxCredentialText]byte // a conversion would allocate, at every scan
	sum := sha256.Sum256(append(buf[:0], text...))
	return Hash(sum[:HashSize])
}
