// Package people knows the people of the cloud: passwords of operators, and what of a name may be
// shown. It must not know databases or pages.
package people

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of argon2id for new verifiers: 19 MiB, two passes, one lane.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltSize    = 16
	hashSize    = 32
)

// Bounds of what a stored verifier may ask for, so that an edited row cannot exhaust the machine.
const (
	mostMemory = 256 * 1024 // KiB
	mostTime   = 16
	mostLanes  = 16
)

var errVerifier = errors.New("people: not an argon2id verifier")

// NewVerifier returns what is stored instead of a password: argon2id in the PHC string format, which
// names its own cost.
func NewVerifier(password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	hash := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, hashSize)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, b64(salt), b64(hash)), nil
}

// Verify reports whether the password is the one of the verifier. It takes as long as making one.
func Verify(verifier, password string) (bool, error) {
	parts := strings.Split(verifier, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, errVerifier
	}
	var version int
	var memory, passes uint32
	var lanes uint8
	if n, err := fmt.Sscanf(parts[2], "v=%d", &version); n != 1 || err != nil || version != argon2.Version {
		return false, errVerifier
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); n != 3 || err != nil {
		return false, errVerifier
	}
	if memory == 0 || memory > mostMemory || passes == 0 || passes > mostTime || lanes == 0 || lanes > mostLanes {
		return false, errVerifier
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errVerifier
	}
	hash, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(hash) == 0 {
		return false, errVerifier
	}
	have := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(hash)))
	return subtle.ConstantTimeCompare(have, hash) == 1, nil
}

// passwordAlphabet has no characters that look alike.
const passwordAlphabet = "23456789abcdefghjkmnpqrstuvwxyz"

// NewPassword makes a random password of 20 characters (99 bits) in groups of five.
func NewPassword() (string, error) {
	var out strings.Builder
	b := make([]byte, 1)
	for n := 0; n < 20; {
		if _, err := rand.Read(b); err != nil {
			return "", fmt.Errorf("make password: %w", err)
		}
		if int(b[0]) >= 256/len(passwordAlphabet)*len(passwordAlphabet) {
			continue // every character is equally likely
		}
		if n > 0 && n%5 == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(passwordAlphabet[int(b[0])%len(passwordAlphabet)])
		n++
	}
	return out.String(), nil
}
