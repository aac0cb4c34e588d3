package backup

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"filippo.io/age"
	"github.com/skip2/go-qrcode"
)

// keyPrefix is what every private key begins with; what follows is shown in groups.
const keyPrefix = "AGE-SECRET-KEY-1"

const (
	groupChars  = 4
	lineGroups  = 4
	checkLetter = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // nothing that looks like something else
)

// NewKey makes a recovery key: the private half as text (AGE-SECRET-KEY-1…), which is shown once and
// kept nowhere, and the recipient (age1…), which the station keeps.
func NewKey() (private, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make recovery key: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// ParseRecipient reads the public half of a key.
func ParseRecipient(text string) (age.Recipient, error) {
	r, err := age.ParseX25519Recipient(strings.TrimSpace(text))
	if err != nil {
		return nil, fail(CodeBadKey, "recipient: %w", err)
	}
	return r, nil
}

// Lines writes a private key for a person to copy: groups of four characters, each line with two
// characters that show a mistake in it. ParseKey reads it back.
func Lines(private string) string {
	var b strings.Builder
	b.WriteString(keyPrefix + "\n")
	rest := strings.TrimPrefix(private, keyPrefix)
	for n := 1; rest != ""; n++ {
		line := rest[:min(len(rest), groupChars*lineGroups)]
		rest = rest[len(line):]
		_, _ = fmt.Fprintf(&b, "%d ", n)
		for i := 0; i < groupChars*lineGroups; i += groupChars {
			group := line[min(i, len(line)):min(i+groupChars, len(line))]
			_, _ = fmt.Fprintf(&b, " %-*s", groupChars, group)
		}
		_, _ = fmt.Fprintf(&b, "  #%s\n", lineCheck(n, line))
	}
	return b.String()
}

func lineCheck(n int, line string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "yipiao recovery key\x00%d\x00%s", n, line))
	return string([]byte{checkLetter[sum[0]%32], checkLetter[sum[1]%32]})
}

// QR is a private key as a QR code of block characters, for a terminal. Light modules are
// drawn, as for a dark ground; scanners read the inverse too.
func QR(private string) (string, error) {
	q, err := qrcode.New(private, qrcode.Medium)
	if err != nil {
		return "", fmt.Errorf("QR code of the recovery key: %w", err)
	}
	return q.ToSmallString(false), nil
}

var shownLine = regexp.MustCompile(`^(\d)\s+((?:[0-9A-Z]{1,4}\s+){1,4})#([0-9A-Z]{2})$`)

// ParseKey reads private keys as Lines writes them, or one per line as age does; lines that begin with
// # are remarks. A mistake is CodeBadKey and names the line.
func ParseKey(text io.Reader) ([]age.Identity, error) {
	var plain []string
	joined := ""
	in := bufio.NewScanner(text)
	for at := 1; in.Scan(); at++ {
		line := strings.ToUpper(strings.TrimSpace(in.Text()))
		switch m := shownLine.FindStringSubmatch(line); {
		case line == "" || line == keyPrefix || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, keyPrefix):
			plain = append(plain, line)
		case m == nil:
			return nil, fail(CodeBadKey, "第 %d 行 (line %d)", at, at)
		default:
			body := strings.Join(strings.Fields(m[2]), "")
			if lineCheck(int(m[1][0]-'0'), body) != m[3] {
				return nil, fail(CodeBadKey, "第 %d 行抄错了 (line %d has a mistake)", at, at)
			}
			joined += body
		}
	}
	if err := in.Err(); err != nil {
		return nil, fail(CodeBadKey, "read: %w", err)
	}
	if joined != "" {
		plain = append(plain, keyPrefix+joined)
	}
	if len(plain) == 0 {
		return nil, &Error{Code: CodeBadKey, Err: errors.New("empty")}
	}
	out := make([]age.Identity, 0, len(plain))
	for _, p := range plain {
		id, err := age.ParseX25519Identity(p)
		if err != nil {
			return nil, &Error{Code: CodeBadKey, Err: errors.New("not an age key")} // the library's words may quote it
		}
		out = append(out, id)
	}
	return out, nil
}
