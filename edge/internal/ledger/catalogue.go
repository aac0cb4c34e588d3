package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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
	bucketState   = []byte("state")  // ticket; written by checkpoints only, from facts only
	bucketAside   = []byte("unapplied")
	bucketLocal   = []byte("local") // the station's own registry: devices, accounts
)

const catalogueFormat = "1"

// catalogue is the bbolt file. bbolt serialises its writers itself.
type catalogue struct {
	db   *bbolt.DB
	aead cipher.AEAD
}

func openCatalogue(path string, key []byte) (*catalogue, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("catalogue: data key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("catalogue: data key: %w", err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("catalogue %s is in use by another process", path)
	}
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", path, err)
	}
	if err := prepare(db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &catalogue{db: db, aead: aead}, nil
}

// prepare makes the buckets of a new file and refuses a file of another format.
func prepare(db *bbolt.DB, path string) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for _, b := range [][]byte{bucketMeta, bucketSession, bucketGroup, bucketKey, bucketTicket, bucketState, bucketAside, bucketLocal} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return fmt.Errorf("catalogue: %w", err)
			}
		}
		meta := tx.Bucket(bucketMeta)
		if have := meta.Get([]byte("format")); have != nil && string(have) != catalogueFormat {
			return fmt.Errorf("catalogue %s has format %s, this program reads %s", path, have, catalogueFormat)
		}
		return meta.Put([]byte("format"), []byte(catalogueFormat))
	})
}

func (c *catalogue) close() error { return c.db.Close() }

// seal encrypts v as JSON, bound to its bucket and key so that values cannot be swapped on the disk.
func (c *catalogue) seal(bucket, key []byte, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	out := make([]byte, 1+c.aead.NonceSize(), 1+c.aead.NonceSize()+len(plain)+c.aead.Overhead())
	out[0] = 1 // key number
	if _, err := rand.Read(out[1:]); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return c.aead.Seal(out, out[1:], plain, append(append([]byte(nil), bucket...), key...)), nil
}

func (c *catalogue) unseal(bucket, key, sealed []byte, v any) error {
	n := c.aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != 1 {
		return fmt.Errorf("catalogue: %s: value of unknown form", bucket)
	}
	plain, err := c.aead.Open(nil, sealed[1:1+n], sealed[1+n:], append(append([]byte(nil), bucket...), key...))
	if err != nil {
		return fmt.Errorf("catalogue: %s: value does not open with this station's key: %w", bucket, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("catalogue: %s: %w", bucket, err)
	}
	return nil
}

func (c *catalogue) put(tx *bbolt.Tx, bucket, key []byte, v any) error {
	sealed, err := c.seal(bucket, key, v)
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

// encodeState packs Held: gen 4, used 2, flags 1, passage 1, last ms 8, last sequence 8, lane.
func encodeState(h ticket.Held, last uint64) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 24+len(h.LastAt)), h.Gen)
	b = binary.BigEndian.AppendUint16(b, h.Used)
	flags := byte(bit(h.Holds)*flagHolds | bit(h.Inside)*flagInside | bit(h.Recalling)*flagRecalling)
	b = append(b, flags, byte(h.Passage))
	b = binary.BigEndian.AppendUint64(b, uint64(h.LastMs))
	b = binary.BigEndian.AppendUint64(b, last)
	return append(b, h.LastAt...)
}

func decodeState(b []byte) (h ticket.Held, last uint64, err error) {
	if len(b) < 24 {
		return h, 0, fmt.Errorf("catalogue: state of %d bytes, want at least 24", len(b))
	}
	h.Gen = binary.BigEndian.Uint32(b)
	h.Used = binary.BigEndian.Uint16(b[4:])
	h.Holds, h.Inside, h.Recalling = b[6]&flagHolds != 0, b[6]&flagInside != 0, b[6]&flagRecalling != 0
	h.Passage = ticket.Passage(b[7])
	h.LastMs = int64(binary.BigEndian.Uint64(b[8:]))
	h.LastAt = string(b[24:])
	return h, binary.BigEndian.Uint64(b[16:]), nil
}
