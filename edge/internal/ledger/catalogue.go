package ledger

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"yipiao/sync/ticket"
)

// Buckets of catalogue.db (storage-and-scale.md part 4). Values are sealed except in meta and state.
var (
	bucketMeta    = []byte("meta")
	bucketSession = []byte("session")
	bucketGroup   = []byte("gate_group")
	bucketKey     = []byte("sign_key")
	bucketTicket  = []byte("ticket") // session ‖ ticket
	bucketState   = []byte("state")  // session ‖ ticket; written by checkpoints only, from facts only
	bucketAside   = []byte("unapplied")
	bucketLocal   = []byte("local") // the station's own registry: devices, accounts
)

const catalogueFormat = "2"

// catalogue is the bbolt file. bbolt serialises its writers itself.
type catalogue struct {
	db   *bbolt.DB
	aead cipher.AEAD
	salt *bufio.Reader // random bytes for nonces; guarded by bbolt's single writer
}

func newCatalogue(key []byte) (*catalogue, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("catalogue: data key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("catalogue: data key: %w", err)
	}
	return &catalogue{aead: aead, salt: bufio.NewReaderSize(rand.Reader, 12<<10)}, nil
}

func openCatalogue(path string, key []byte) (c *catalogue, err error) {
	if c, err = newCatalogue(key); err != nil {
		return nil, err
	}
	defer damage(&err)
	if c.db, err = openFile(path, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType}); err != nil {
		return nil, err
	}
	if err := c.prepare(path); err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return c, nil
}

// openFile is bbolt's Open with errors that say what to do.
func openFile(path string, o *bbolt.Options) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("catalogue %s is in use by another process", path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: catalogue %s: %w", ErrDamaged, path, err)
	case err != nil:
		return nil, fmt.Errorf("catalogue %s: %w", path, err)
	}
	return db, nil
}

// ErrDamaged is returned where the catalogue is not what was written. It wraps what was seen.
var ErrDamaged = errors.New("ledger: catalogue is damaged")

// damage turns a panic of bbolt, which is how it answers to pages that make no sense, into ErrDamaged.
func damage(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}

// update and view are bbolt's, but a damaged file is an error and no panic.
func (c *catalogue) update(use func(*bbolt.Tx) error) (err error) {
	defer damage(&err)
	return c.db.Update(use)
}

func (c *catalogue) view(use func(*bbolt.Tx) error) (err error) {
	defer damage(&err)
	return c.db.View(use)
}

// prepare makes the buckets of a new file and refuses a file of another format or key.
func (c *catalogue) prepare(path string) error {
	return c.db.Update(func(tx *bbolt.Tx) error {
		for _, b := range [][]byte{bucketMeta, bucketSession, bucketGroup, bucketKey, bucketTicket, bucketState, bucketAside, bucketLocal} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return fmt.Errorf("catalogue: %w", err)
			}
		}
		meta := tx.Bucket(bucketMeta)
		if have := meta.Get([]byte("format")); have != nil && string(have) != catalogueFormat {
			return fmt.Errorf("catalogue %s has format %s, this program reads %s", path, have, catalogueFormat)
		}
		if sealed := meta.Get(keyCanary); sealed != nil {
			if _, err := c.openTo(nil, bucketMeta, keyCanary, sealed); err != nil {
				return fmt.Errorf("catalogue %s was sealed with another station's key", path)
			}
			return nil
		}
		sealed, err := c.sealTo(nil, bucketMeta, keyCanary, []byte(canary))
		if err != nil {
			return err
		}
		return errors.Join(meta.Put(keyCanary, sealed), meta.Put([]byte("format"), []byte(catalogueFormat)))
	})
}

func (c *catalogue) close() error { return c.db.Close() }

// sealTo appends the sealed form of plain to dst, bound to its bucket and key so that values cannot be
// swapped on the disk. It is for the holder of the write transaction.
func (c *catalogue) sealTo(dst, bucket, key, plain []byte) ([]byte, error) {
	n := c.aead.NonceSize()
	at := len(dst)
	dst = append(append(dst, 1), make([]byte, n)...) // 1 is the key's number
	if _, err := io.ReadFull(c.salt, dst[at+1:]); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	var place [64]byte
	return c.aead.Seal(dst, dst[at+1:at+1+n], plain, append(append(place[:0], bucket...), key...)), nil
}

// openTo is the reverse of sealTo.
func (c *catalogue) openTo(dst, bucket, key, sealed []byte) ([]byte, error) {
	n := c.aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != 1 {
		return nil, fmt.Errorf("%w: %s: value of unknown form", ErrDamaged, bucket)
	}
	var place [64]byte
	plain, err := c.aead.Open(dst, sealed[1:1+n], sealed[1+n:], append(append(place[:0], bucket...), key...))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: value does not open with this station's key: %w", ErrDamaged, bucket, err)
	}
	return plain, nil
}

func (c *catalogue) unseal(bucket, key, sealed []byte, v any) error {
	plain, err := c.openTo(nil, bucket, key, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, bucket, err)
	}
	return nil
}

// put stores v as sealed JSON.
func (c *catalogue) put(tx *bbolt.Tx, bucket, key []byte, v any) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	sealed, err := c.sealTo(nil, bucket, key, plain)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, sealed)
}

func ticketKey(s ticket.SessionID, t ticket.TicketID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(s)), uint64(t))
}

func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func getU64(b *bbolt.Bucket, key string) uint64 {
	if v := b.Get([]byte(key)); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// Flags of an encoded state.
const (
	flagHolds = 1 << iota
	flagInside
	flagRecalling
)

// stateSize is the length of an encoded state without its lane.
const stateSize = 4 + 2 + 1 + 1 + 8 + 8 + 4

// encodeState packs Held: gen 4, used 2, flags 1, passage 1, last ms 8, last sequence 8, lane, and the
// CRC-32C 4 of key and all that: bbolt has no checksum of its own for data.
func encodeState(key []byte, h ticket.Held, last uint64) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, stateSize+len(h.LastAt)), h.Gen)
	b = binary.BigEndian.AppendUint16(b, h.Used)
	flags := byte(bit(h.Holds)*flagHolds | bit(h.Inside)*flagInside | bit(h.Recalling)*flagRecalling)
	b = append(b, flags, byte(h.Passage))
	b = binary.BigEndian.AppendUint64(b, uint64(h.LastMs))
	b = binary.BigEndian.AppendUint64(b, last)
	b = append(b, h.LastAt...)
	return binary.BigEndian.AppendUint32(b, stateSum(key, b))
}

func stateSum(key, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, b)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func decodeState(key, b []byte) (h ticket.Held, last uint64, err error) {
	end := len(b) - 4
	if len(b) < stateSize || binary.BigEndian.Uint32(b[end:]) != stateSum(key, b[:end]) {
		return h, 0, fmt.Errorf("%w: state of a ticket", ErrDamaged)
	}
	h.Gen = binary.BigEndian.Uint32(b)
	h.Used = binary.BigEndian.Uint16(b[4:])
	h.Holds, h.Inside, h.Recalling = b[6]&flagHolds != 0, b[6]&flagInside != 0, b[6]&flagRecalling != 0
	h.Passage = ticket.Passage(b[7])
	h.LastMs = int64(binary.BigEndian.Uint64(b[8:]))
	h.LastAt = string(b[24:end])
	return h, binary.BigEndian.Uint64(b[16:]), nil
}
