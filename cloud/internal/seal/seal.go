// Package seal keeps secrets at rest: values sealed with AES-256-GCM under a tenant's field key, and
// field keys and the deployment root wrapped by the master key, which lies in a file of its own
// (architecture.md section 5). Every sealed value names its algorithm and key, and is bound to the
// place it belongs to, so that it cannot be moved to another row.
//
// The package must not know databases or what it seals.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// algAESGCM names AES-256-GCM with a 12-byte nonce in front of the text. Layout of a sealed value:
// algorithm 1 byte, key id 2, nonce 12, text and tag.
const (
	algAESGCM = 1
	headSize  = 3
)

// ErrSealed is returned by Open for a value that this key did not seal for this place.
var ErrSealed = errors.New("seal: cannot open")

// A Key seals and opens values. It is safe for concurrent use.
type Key struct {
	id   uint16
	aead cipher.AEAD
}

// NewKey returns the key with the given id and KeySize bytes.
func NewKey(id uint16, raw []byte) (*Key, error) {
	if len(raw) != KeySize {
		return nil, fmt.Errorf("seal: key of %d bytes, want %d", len(raw), KeySize)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return &Key{id: id, aead: aead}, nil
}

// Random returns n random bytes, for keys and secrets.
func Random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return b, nil
}

// Seal seals plain for one place, such as "ticket.holder/1/42".
func (k *Key) Seal(plain []byte, place string) ([]byte, error) {
	nonce, err := Random(k.aead.NonceSize())
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint16([]byte{algAESGCM}, k.id)
	return k.aead.Seal(append(head, nonce...), nonce, plain, bound(head, place)), nil
}

// Open is the inverse of Seal for the same place. It returns ErrSealed for anything else.
func (k *Key) Open(sealed []byte, place string) ([]byte, error) {
	rest := headSize + k.aead.NonceSize()
	if len(sealed) < rest || sealed[0] != algAESGCM || binary.BigEndian.Uint16(sealed[1:]) != k.id {
		return nil, fmt.Errorf("%w: %s: not of this algorithm and key", ErrSealed, place)
	}
	plain, err := k.aead.Open(nil, sealed[headSize:rest], sealed[rest:], bound(sealed[:headSize], place))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrSealed, place)
	}
	return plain, nil
}

func bound(head []byte, place string) []byte { return append([]byte(place+"\x00"), head...) }

// CreateMaster makes a master key in a new file that only its owner can read.
func CreateMaster(file string) (*Key, error) {
	raw, err := Random(KeySize)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make master key: %w", err)
	}
	_, err = f.WriteString(hex.EncodeToString(raw) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("make master key: %w", err)
	}
	return NewKey(1, raw)
}

// ReadMaster reads the master key. A file that others may read is refused.
func ReadMaster(file string) (*Key, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	if info.Mode()&fs.ModePerm&0o077 != 0 {
		return nil, fmt.Errorf("read master key: %s may be read by others, want mode 0600", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read master key: %s: not hexadecimal", file)
	}
	return NewKey(1, raw)
}
