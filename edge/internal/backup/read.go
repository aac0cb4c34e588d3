package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A Visitor is told what an archive holds, in its order: manifest, configuration, facts, sessions,
// groups, signing keys, registry, tickets. Functions may be nil. Arguments are the visitor's.
type Visitor struct {
	Config  func(text []byte) error
	Facts   func(*wire.Batch) error
	Session func(*ticket.Session) error
	Group   func(*ticket.GateGroup) error
	Key     func(*ticket.SignKey) error
	Local   func(key string, value json.RawMessage) error
	Ticket  func(*ticket.Ticket, ticket.Held) error
}

// Verify decrypts a backup and checks every member and every row of it. It needs the private half of
// one of the keys it was encrypted for, so a station cannot do it with its own backups.
func Verify(path string, ids ...age.Identity) (Manifest, Counts, error) {
	return Visit(path, Visitor{}, ids...)
}

// Visit is Verify that also shows the rows to v. Because the check ends with the last member, what v
// does before is not to be relied upon when an error is returned: verify first, then visit.
func Visit(path string, v Visitor, ids ...age.Identity) (Manifest, Counts, error) {
	f, err := os.Open(path)
	if err != nil {
		return Manifest{}, Counts{}, diskError("open backup", err)
	}
	defer func() { _ = f.Close() }()
	r := &reader{v: v}
	err = r.read(bufio.NewReaderSize(f, 1<<16), ids)
	return r.manifest, r.counts, err
}

type reader struct {
	v        Visitor
	manifest Manifest
	counts   Counts
	members  []memberSum
	mine     error // of the visitor
}

func (r *reader) read(src io.Reader, ids []age.Identity) error {
	plain, err := age.Decrypt(src, ids...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return fail(CodeWrongKey, "decrypt: %w", err)
	}
	if err != nil {
		return fail(CodeDamaged, "decrypt: %w", err)
	}
	unpacked, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return fail(CodeDamaged, "decompress: %w", err)
	}
	defer unpacked.Close()
	err = r.all(tar.NewReader(unpacked))
	if err == nil {
		// The end of the stream is authenticated too: without it the file was cut.
		if _, err = io.Copy(io.Discard, unpacked); err == nil {
			_, err = io.Copy(io.Discard, plain)
		}
	}
	var e *Error
	switch {
	case r.mine != nil:
		return r.mine
	case err == nil, errors.As(err, &e):
		return err
	}
	return fail(CodeDamaged, "read: %w", err)
}

func (r *reader) all(t *tar.Reader) error {
	for {
		head, err := t.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the archive ends before its sums")
		}
		if err != nil {
			return err
		}
		if head.Size > maxMember {
			return fmt.Errorf("member %s of %d bytes", head.Name, head.Size)
		}
		body, err := io.ReadAll(t)
		if err != nil {
			return fmt.Errorf("member %s: %w", head.Name, err)
		}
		if head.Name == nameSums {
			return r.check(body)
		}
		sum := sha256.Sum256(body)
		r.members = append(r.members, memberSum{head.Name, int64(len(body)), hexSum(sum[:])})
		r.counts.Bytes += int64(len(body))
		if len(r.members) == 1 {
			err = r.first(head.Name, body)
		} else {
			err = r.member(head.Name, body)
		}
		if err != nil {
			return fmt.Errorf("member %s: %w", head.Name, err)
		}
	}
}

// check compares what was read with what was written.
func (r *reader) check(body []byte) error {
	var s sums
	if err := json.Unmarshal(body, &s); err != nil {
		return fmt.Errorf("%s: %w", nameSums, err)
	}
	if !slices.Equal(s.Members, r.members) {
		return errors.New("members differ from the sums written with them")
	}
	if s.Counts != r.counts {
		return fmt.Errorf("rows %+v, written were %+v", r.counts, s.Counts)
	}
	return nil
}

func (r *reader) first(name string, body []byte) error {
	if name != nameManifest {
		return errors.New("the first member is not the manifest")
	}
	if err := json.Unmarshal(body, &r.manifest); err != nil {
		return err
	}
	if r.manifest.Format > Format {
		return fail(CodeFormat, "format %d, this program reads up to %d", r.manifest.Format, Format)
	}
	if r.manifest.Format < 1 || r.manifest.Station == 0 || r.manifest.Tenant == 0 {
		return errors.New("the manifest names no station")
	}
	return nil
}

func (r *reader) member(name string, body []byte) error {
	dir, _, ok := strings.Cut(name, "/")
	if !ok {
		if name != nameConfig {
			return errors.New("unknown member")
		}
		return call(r, r.v.Config, body)
	}
	c := &r.counts
	switch dir + "/" {
	case dirJournal:
		b, err := wire.DecodeBatch(body)
		if err != nil {
			return err
		}
		c.Facts += len(b.Entries)
		return call(r, r.v.Facts, &b)
	case dirSessions:
		return lines(body, &c.Sessions, func(v *ticket.Session) error { return call(r, r.v.Session, v) })
	case dirGroups:
		return lines(body, &c.Groups, func(v *ticket.GateGroup) error { return call(r, r.v.Group, v) })
	case dirKeys:
		return lines(body, &c.Keys, func(v *ticket.SignKey) error { return call(r, r.v.Key, v) })
	case dirLocal:
		return lines(body, &c.Local, r.local)
	case dirTickets:
		return lines(body, &c.Tickets, r.ticket)
	}
	return errors.New("unknown member")
}

func (r *reader) local(v *localLine) error {
	if r.v.Local == nil {
		return nil
	}
	r.mine = r.v.Local(v.Key, v.Value)
	return r.mine
}

func (r *reader) ticket(v *ticketRow) error {
	if v.Ticket == nil {
		return errors.New("a row without a ticket")
	}
	if r.v.Ticket == nil {
		return nil
	}
	r.mine = r.v.Ticket(v.Ticket, v.Held.held())
	return r.mine
}

// localLine is localRow as it is read.
type localLine struct {
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v"`
}

// call shows v to the visitor and keeps its error apart from those of the archive.
func call[T any](r *reader, f func(T) error, v T) error {
	if f == nil {
		return nil
	}
	r.mine = f(v)
	return r.mine
}

// lines decodes a run of one kind.
func lines[T any](body []byte, count *int, use func(*T) error) error {
	for len(body) > 0 {
		line, rest, ok := bytes.Cut(body, []byte("\n"))
		if !ok {
			return errors.New("the last line is not complete")
		}
		v := new(T)
		if err := json.Unmarshal(line, v); err != nil {
			return err
		}
		*count++
		if err := use(v); err != nil {
			return err
		}
		body = rest
	}
	return nil
}
