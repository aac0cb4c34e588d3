package ticket

import (
	"encoding/hex"
	"fmt"
	"time"
)

// Identifiers stand in credentials and keys, so their widths are part of the formats.
type (
	// TenantID is a customer of the deployment.
	TenantID uint32
	// StationID is a station, unique in its tenant; shown as S-0001.
	StationID uint32
	// HallID is a hall, unique in its tenant.
	HallID uint64
	// SessionID is a session, unique in its tenant.
	SessionID uint64
	// TicketID is a ticket, unique in its tenant.
	TicketID uint64
	// GateGroupID is a gate group, unique in its venue.
	GateGroupID uint16
	// KeyID is a ticket signing key, unique in its tenant.
	KeyID uint16
)

// String shows the id as people know it: S-0001.
func (s StationID) String() string { return fmt.Sprintf("S-%04d", uint32(s)) }

// Fen is an amount of money in fen (1/100 yuan).
type Fen int64

// String shows the amount as ¥280.00.
func (f Fen) String() string {
	sign, abs := "", uint64(f)
	if f < 0 {
		sign, abs = "-", -abs
	}
	return fmt.Sprintf("%s¥%d.%02d", sign, abs/100, abs%100)
}

// HashSize is the length of a Hash in bytes.
const HashSize = 16

// Hash is SHA-256 cut to its first 16 bytes.
type Hash [HashSize]byte

// MarshalText encodes the hash as lower-case hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText decodes exactly 32 hex digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != 2*HashSize {
		return fmt.Errorf("hash: want %d hex digits, have %d", 2*HashSize, len(b))
	}
	_, err := hex.Decode(h[:], b)
	return err
}

// Nonce identifies one attempt of one device: 128 bits, made by the device, kept over retries.
type Nonce [16]byte

// MarshalText encodes the nonce as lower-case hex.
func (n Nonce) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(n[:])), nil }

// UnmarshalText decodes exactly 32 hex digits.
func (n *Nonce) UnmarshalText(b []byte) error {
	if len(b) != 2*len(n) {
		return &FieldError{Field: "nonce", Want: "32 个十六进制字符 (32 hex digits)", Code: "bad_nonce"}
	}
	if _, err := hex.Decode(n[:], b); err != nil {
		return &FieldError{Field: "nonce", Want: "32 个十六进制字符 (32 hex digits)", Code: "bad_nonce"}
	}
	return nil
}

// IsZero reports whether no nonce was given, as at a lane's own scanner.
func (n Nonce) IsZero() bool { return n == Nonce{} }

// Shanghai is the zone in which every date and time is shown and every business day is cut.
// China has had no daylight saving time since 1991, so a fixed zone is exact and needs no data file.
func Shanghai() *time.Location { return time.FixedZone("Asia/Shanghai", 8*3600) }

// Time returns the instant of ms in Asia/Shanghai.
func Time(ms int64) time.Time { return time.UnixMilli(ms).In(Shanghai()) }
