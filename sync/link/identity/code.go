package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"yipiao/sync/ticket"
)

// Lives of one-time codes.
const (
	CodeLife       = 30 * time.Minute // of one that makes a machine a station
	DeviceCodeLife = 10 * time.Minute // of one that makes a program a device of a station
)

// Prefixes of codes; each stands for a purpose and a version of the format.
const (
	stationCode = "E1"
	deviceCode  = "D1"
)

const (
	codeRandom = 10 // bytes: 80 random bits
	codeBytes  = ticket.HashSize + codeRandom
	codeChars  = (codeBytes*8 + 4) / 5
	// Crockford's alphabet has no I, L, O, U; the check alphabet has five symbols more (modulo 37).
	codeAlphabet  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	checkAlphabet = codeAlphabet + "*~$=U"
)

// A Code is the one-time code with which a machine becomes a station, or a program a device of one: whom to
// call, whom to trust, and a secret. Its text is E1 (station) or D1 (device), /<address>/<groups of five
// characters>, the last of them a check character (architecture.md section 5, rules 2 and 3).
type Code struct {
	Address string      // host:port of the cloud's sync listener; of a device's code the station's LAN listener
	Root    ticket.Hash // SHA-256/128 of the deployment root; of a device's code of the site authority
	Random  [codeRandom]byte

	prefix string
}

// NewCode makes a station's code with random bits from random; nil takes the machine's.
func NewCode(address string, root ticket.Hash, random io.Reader) (Code, error) {
	return newCode(stationCode, address, root, random)
}

// NewDeviceCode makes a device's code with random bits from the machine.
func NewDeviceCode(address string, site ticket.Hash) (Code, error) {
	return newCode(deviceCode, address, site, nil)
}

func newCode(prefix, address string, root ticket.Hash, random io.Reader) (Code, error) {
	c := Code{Address: strings.ToLower(address), Root: root, prefix: prefix}
	if err := checkAddress(c.Address); err != nil {
		return Code{}, err
	}
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, c.Random[:]); err != nil {
		return Code{}, fmt.Errorf("make enrolment code: %w", err)
	}
	return c, nil
}

func codeError(want, code string) error {
	return &ticket.FieldError{Field: "enrol_code", Want: want, Code: code}
}

func codeText() *base32.Encoding {
	return base32.NewEncoding(codeAlphabet).WithPadding(base32.NoPadding)
}

// String is the text of the code.
func (c Code) String() string {
	raw := append(append([]byte(nil), c.Root[:]...), c.Random[:]...)
	chars := codeText().EncodeToString(raw)
	chars += string(checkAlphabet[c.check(chars)])
	groups := make([]string, 0, len(chars)/5+1)
	for ; len(chars) > 5; chars = chars[5:] {
		groups = append(groups, chars[:5])
	}
	return c.prefix + "/" + c.Address + "/" + strings.Join(append(groups, chars), "-")
}

// check is the address and the characters, read as one number, modulo 37.
func (c Code) check(chars string) int {
	n := 0
	for i := range len(c.Address) {
		n = (n*256 + int(c.Address[i])) % 37
	}
	for i := range len(chars) {
		n = (n*32 + strings.IndexByte(codeAlphabet, chars[i])) % 37
	}
	return n
}

// ParseCode reads a station's code as people type it: any case, with or without the hyphens, O for 0, I or L
// for 1. The error is a *ticket.FieldError that names what is wrong.
func ParseCode(text string) (Code, error) { return parseCode(stationCode, text) }

// ParseDeviceCode reads a device's code, as ParseCode does a station's.
func ParseDeviceCode(text string) (Code, error) { return parseCode(deviceCode, text) }

func parseCode(prefix, text string) (Code, error) {
	c := Code{prefix: prefix}
	parts := strings.Split(strings.TrimSpace(text), "/")
	if len(parts) != 3 || !strings.EqualFold(parts[0], prefix) {
		return Code{}, codeError(prefix+"/地址:端口/字符组 ("+prefix+"/address:port/groups)", "bad_enrol_code_shape")
	}
	c.Address = strings.ToLower(parts[1])
	if err := checkAddress(c.Address); err != nil {
		return Code{}, err
	}
	chars := strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(parts[2]))
	if len(chars) != codeChars+1 {
		return Code{}, codeError(fmt.Sprintf("%d 个字符，现为 %d 个 (%d characters, not %d)",
			codeChars+1, len(chars), codeChars+1, len(chars)), "bad_enrol_code_length")
	}
	body := chars[:codeChars]
	raw, err := codeText().DecodeString(body)
	if err != nil {
		return Code{}, codeError("只含数字和除 U 外的字母 (digits and letters but U)", "bad_enrol_code_character")
	}
	if codeText().EncodeToString(raw) != body || checkAlphabet[c.check(body)] != chars[codeChars] {
		return Code{}, codeError("与校验字符一致，请核对输入 (matching its check character: look for a typing error)", "bad_enrol_code_check")
	}
	copy(c.Root[:], raw)
	copy(c.Random[:], raw[ticket.HashSize:])
	return c, nil
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || strings.ContainsAny(host, "/ ") || perr != nil || n == 0 {
		return codeError("地址为 主机:端口 (an address as host:port)", "bad_enrol_code_address")
	}
	return nil
}

// ID is the public half: it says which code is meant and reveals nothing of the secret.
func (c Code) ID() string { return hex.EncodeToString(c.half("yipiao enrol id v1\x00")[:8]) }

// Secret is the half that is never sent.
func (c Code) Secret() []byte { return c.half("yipiao enrol secret v1\x00") }

// half keeps a device's code from ever passing for a station's.
func (c Code) half(label string) []byte {
	if c.prefix == deviceCode {
		label = "device " + label
	}
	sum := sha256.Sum256(append([]byte(label), c.Random[:]...))
	return sum[:]
}

// Proof is what wire.EnrolRequest.Proof carries: it binds both signing requests to the code.
func Proof(secret, stationCSR, siteCSR []byte) []byte {
	return proof(secret, "yipiao enrol v1\x00", stationCSR, siteCSR)
}

// DeviceProof binds a device's signing request to its code.
func DeviceProof(secret, csr []byte) []byte { return proof(secret, "yipiao device v1\x00", csr) }

func proof(secret []byte, label string, csrs ...[]byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(label))
	for _, csr := range csrs {
		m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(csr))))
		m.Write(csr)
	}
	return m.Sum(nil)
}
