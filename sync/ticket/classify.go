package ticket

import "crypto/ed25519"

// Classify reads a payload and says what kind of code it is. lookup returns the known ticket of an
// id or nil; key returns a signing key. A payload that hashes to the known ticket's current
// credential is genuine without a signature check; the signature decides for any other
// (architecture.md section 5, rule 5).
func Classify(payload string, tenant TenantID, lookup func(TicketID) *Ticket, key func(KeyID) (SignKey, bool)) (CodeClass, Credential) {
	c, err := ParseCredential(payload)
	if err != nil {
		return ClassNone, Credential{}
	}
	if c.Tenant != tenant {
		return ClassForeign, c
	}
	if t := lookup(c.Ticket); t != nil && t.CredHash == PayloadHash(payload) {
		return ClassExact, c
	}
	k, ok := key(c.Key)
	switch {
	case !ok:
		return ClassUnknownKey, c
	case c.Verify(ed25519.PublicKey(k.Public)) != nil:
		return ClassBad, c
	case k.Revoked:
		return ClassRevoked, c
	}
	return ClassSigned, c
}
