package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Progress is how far a backup has come.
type Progress struct {
	Rows int // written
	Of   int // expected; may be exceeded by what is sold meanwhile
}

// A pack writes members of one archive.
type pack struct {
	ctx      context.Context
	tar      *tar.Writer
	made     About
	sums     sums
	progress func(Progress)
}

// Write writes a backup of src to w, encrypted to all of to. An error leaves w useless; its code is
// CodeStation when src failed, CodeStopped when ctx ended, else that of writing w. progress may be nil.
func Write(ctx context.Context, w io.Writer, src Source, about About, to []age.Recipient, progress func(Progress)) (Manifest, Counts, error) {
	if len(to) == 0 {
		return Manifest{}, Counts{}, &Error{Code: CodeNoRecipient}
	}
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return Manifest{}, Counts{}, diskError("encrypt", err)
	}
	// One goroutine and a small window: the gates come first.
	packed, err := zstd.NewWriter(sealed, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(runBytes))
	if err != nil {
		return Manifest{}, Counts{}, diskError("compress", err)
	}
	p := &pack{ctx: ctx, tar: tar.NewWriter(packed), made: about, progress: progress}
	m, err := p.all(src)
	if err == nil {
		err = errors.Join(p.tar.Close(), packed.Close(), sealed.Close())
	} else {
		_ = packed.Close() // ends its goroutine; the archive is useless anyway
	}
	return m, p.sums.Counts, diskError("write backup", err)
}

func (p *pack) all(src Source) (Manifest, error) {
	// The order matters: first what the cloud holds, then how far the journal is durable, then rows,
	// which may be newer (Source).
	acked := src.Acked()
	durable := src.Durable()
	m := Manifest{
		Format: Format, Kind: p.made.Kind, Tenant: p.made.Tenant, Station: p.made.Station, Venue: p.made.Venue,
		Cloud: p.made.Cloud, Program: p.made.Program, MadeMs: p.made.Now.UnixMilli(), Journal: placeOf(durable, acked),
		Recipient: p.made.Recipient,
	}
	m.Feed.Epoch, m.Feed.Cursor = src.FeedPlace()
	steps := []func() error{
		func() error { return p.json(nameManifest, m) },
		func() error { return p.member(nameConfig, p.made.Config) },
		func() error { return p.facts(src, acked, durable.Seq) },
		func() error { return rows(p, dirSessions, &p.sums.Counts.Sessions, src.EachSession) },
		func() error { return rows(p, dirGroups, &p.sums.Counts.Groups, src.EachGroup) },
		func() error { return rows(p, dirKeys, &p.sums.Counts.Keys, src.EachKey) },
		func() error { return p.local(src) },
		func() error { return p.tickets(src) },
		p.end,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return m, err
		}
	}
	return m, nil
}

// member writes one file of the archive and takes its sum.
func (p *pack) member(name string, body []byte) error {
	if err := p.file(name, body); err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	p.sums.Members = append(p.sums.Members, memberSum{name, int64(len(body)), hexSum(sum[:])})
	p.sums.Counts.Bytes += int64(len(body))
	return nil
}

// end writes the sums, of which nobody takes a sum.
func (p *pack) end() error {
	body, err := json.MarshalIndent(p.sums, "", " ")
	if err != nil {
		return err
	}
	return p.file(nameSums, body)
}

func (p *pack) file(name string, body []byte) error {
	if err := p.ctx.Err(); err != nil {
		return &Error{Code: CodeStopped, Err: err}
	}
	head := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(body)), ModTime: p.made.Now, Format: tar.FormatPAX}
	if err := p.tar.WriteHeader(head); err != nil {
		return err
	}
	_, err := p.tar.Write(body)
	return err
}

func (p *pack) json(name string, v any) error {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return p.member(name, body)
}

// A run collects lines and writes them as numbered members.
type run struct {
	p    *pack
	dir  string
	buf  bytes.Buffer
	n    int
	rows *int
}

func (r *run) add(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r.buf.Write(append(line, '\n'))
	*r.rows++
	if r.buf.Len() < runBytes {
		return nil
	}
	return r.flush()
}

func (r *run) flush() error {
	if r.buf.Len() == 0 {
		return nil
	}
	r.n++
	err := r.p.member(fmt.Sprintf("%s%06d.jsonl", r.dir, r.n), r.buf.Bytes())
	r.buf.Reset()
	r.p.told(*r.rows)
	return err
}

// told reports progress, at every member.
func (p *pack) told(rows int) {
	if p.progress != nil {
		p.progress(Progress{Rows: rows, Of: max(p.made.Tickets, rows)})
	}
}

// rows writes every row that each hands out.
func rows[T any](p *pack, dir string, count *int, each func(func(*T) error) error) error {
	r := &run{p: p, dir: dir, rows: count}
	if err := asStation(each(func(v *T) error { return asDisk(r.add(v)) })); err != nil {
		return err
	}
	return r.flush()
}

func (p *pack) tickets(src Source) error {
	r := &run{p: p, dir: dirTickets, rows: &p.sums.Counts.Tickets}
	err := src.EachTicket(func(t *ticket.Ticket, h ticket.Held) error { return asDisk(r.add(ticketRow{t, rowOf(h)})) })
	if err = asStation(err); err != nil {
		return err
	}
	return r.flush()
}

func (p *pack) local(src Source) error {
	r := &run{p: p, dir: dirLocal, rows: &p.sums.Counts.Local}
	err := src.EachLocal("", func(key string, decode func(any) error) error {
		var v json.RawMessage
		if err := decode(&v); err != nil {
			return err
		}
		return asDisk(r.add(localRow{key, v}))
	})
	if err = asStation(err); err != nil {
		return err
	}
	return r.flush()
}

// facts copies what the cloud was not known to hold, as batches that can be uploaded as they are.
func (p *pack) facts(src Source, acked, durable uint64) error {
	for n, from := 0, acked+1; from <= durable; n++ {
		batch := wire.Batch{}
		entries, err := src.Journal(from, journalRows, runBytes)
		if err != nil {
			return asStation(err)
		}
		for i := range entries {
			if entries[i].Seq <= durable {
				batch.Entries = append(batch.Entries, entries[i])
			}
		}
		if len(batch.Entries) == 0 {
			return asStation(fmt.Errorf("journal: nothing to read from %d, durable is %d", from, durable))
		}
		batch.Epoch = batch.Entries[0].Epoch
		p.sums.Counts.Facts += len(batch.Entries)
		if err := p.member(fmt.Sprintf("%s%06d.batch", dirJournal, n+1), wire.AppendBatch(nil, &batch)); err != nil {
			return err
		}
		from = batch.Entries[len(batch.Entries)-1].Seq + 1
	}
	return nil
}

// asStation marks an error of the source, unless it is one of ours on its way out.
func asStation(err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{Code: CodeStation, Err: err}
}

// asDisk marks an error of writing, so that it survives the way through the source.
func asDisk(err error) error { return diskError("write backup", err) }

func hexSum(b []byte) string { return hex.EncodeToString(b) }
