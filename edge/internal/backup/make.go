package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"filippo.io/age"
)

// A Job is one backup to be made.
type Job struct {
	Source   Source
	About    About
	To       []age.Recipient
	Folder   Folder
	Keep     Keep
	Progress func(Progress) // may be nil
}

// A Result is a backup that was made.
type Result struct {
	Info
	Manifest Manifest
	Counts   Counts
	Pruned   error // older generations could not be removed; the backup itself is good
}

// Make writes a backup under a temporary name, reads it back, and gives it its name: a half backup
// never has one. Older generations are removed afterwards. Errors have codes.
//
// What is read back is the whole file against the sum that was taken while it was written, and that it
// begins as an encrypted file for the right number of keys. That what is inside can be read is known
// only to who has a private key: Verify.
func Make(ctx context.Context, job Job) (Result, error) {
	if len(job.To) == 0 {
		return Result{}, &Error{Code: CodeNoRecipient}
	}
	if err := job.Folder.check(); err != nil {
		return Result{}, err
	}
	if err := job.Folder.room(0); err != nil {
		return Result{}, err
	}
	f, err := os.CreateTemp(job.Folder.Path, tempPrefix+job.About.Station.String()+"-*")
	if err != nil {
		return Result{}, diskError("make file", err)
	}
	out, err := job.write(ctx, f)
	if err != nil {
		_ = os.Remove(f.Name()) // a stick that was pulled out has taken it along
		return Result{}, diskError("make backup", err)
	}
	out.Pruned = job.Folder.prune(job.About.Station, job.Keep, out.Name)
	return out, nil
}

func (job *Job) write(ctx context.Context, f *os.File) (Result, error) {
	w := &guarded{file: f, folder: job.Folder, sum: sha256.New()}
	buffered := bufio.NewWriterSize(w, 1<<18)
	m, counts, err := Write(ctx, buffered, job.Source, job.About, job.To, job.Progress)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Result{}, err
	}
	if err := readBack(f.Name(), w.sum.Sum(nil), len(job.To)); err != nil {
		return Result{}, err
	}
	name := job.Folder.newName(&job.About)
	info := Info{Name: name, Path: filepath.Join(job.Folder.Path, name), Kind: job.About.Kind, At: job.About.Now, Bytes: w.n}
	return Result{Info: info, Manifest: m, Counts: counts}, publish(f.Name(), info.Path, w.sum.Sum(nil))
}

// publish gives a complete file its name. The sum is written first, so that a backup always has one.
func publish(temp, path string, sum []byte) error {
	line := fmt.Sprintf("%s  %s\n", hexSum(sum), filepath.Base(path)) // as sha256sum -c reads it
	if err := writeFile(temp+"-sum", path+sumSuffix, []byte(line)); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeFile(temp, path string, data []byte) error {
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// syncDir makes names durable, where the file system has that.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// readBack compares the file with what was written.
func readBack(path string, sum []byte, keys int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	got := sha256.New()
	if _, err := io.Copy(got, f); err != nil {
		return err
	}
	if !bytes.Equal(got.Sum(nil), sum) {
		return fail(CodeDisk, "the file reads back differently")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	head, err := age.ExtractHeader(bufio.NewReader(f))
	if err != nil {
		return fail(CodeDisk, "read back: %w", err)
	}
	if n := strings.Count(string(head), "\n-> X25519 "); n != keys {
		return fail(CodeDisk, "encrypted for %d keys, want %d", n, keys)
	}
	return nil
}

// room reports CodeDiskFull when the journal's disk would get too full with more bytes on it. Another
// disk may be filled up: it answers by itself.
func (f Folder) room(more int64) error {
	if !sameDisk(f.Path, f.Data) {
		return nil
	}
	if have, known := free(f.Path); known && have-more < reserve {
		return fail(CodeDiskFull, "%d MiB free, %d are kept for the journal", have>>20, reserve>>20)
	}
	return nil
}

// guarded writes to a file, sums, and stops before the journal's disk is full.
type guarded struct {
	file   *os.File
	folder Folder
	sum    hash.Hash
	n      int64
	asked  int64 // bytes written when room was last asked for
}

const askEvery = 4 << 20

func (g *guarded) Write(p []byte) (int, error) {
	if g.n-g.asked >= askEvery {
		g.asked = g.n
		if err := g.folder.room(int64(len(p))); err != nil {
			return 0, err
		}
	}
	n, err := g.file.Write(p)
	g.sum.Write(p[:n])
	g.n += int64(n)
	return n, err
}

// CheckSum compares a backup with the sum that lies beside it. It needs no key: a copy on a stick can
// be checked anywhere, also with sha256sum -c.
func CheckSum(path string) error {
	line, err := os.ReadFile(path + sumSuffix)
	if err != nil {
		return diskError("sum", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return diskError("open backup", err)
	}
	defer func() { _ = f.Close() }()
	got := sha256.New()
	if _, err := io.Copy(got, f); err != nil {
		return diskError("read backup", err)
	}
	if want, _, _ := strings.Cut(string(line), " "); want != hexSum(got.Sum(nil)) {
		return fail(CodeDamaged, "the file does not match its sum")
	}
	return nil
}

// Reseal encrypts a backup anew, for other keys: what is inside stays as it is. It is replaced whole or
// not at all.
func Reseal(path string, ids []age.Identity, to []age.Recipient) error {
	src, err := os.Open(path)
	if err != nil {
		return diskError("open backup", err)
	}
	defer func() { _ = src.Close() }()
	plain, err := age.Decrypt(bufio.NewReader(src), ids...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return fail(CodeWrongKey, "decrypt: %w", err)
	case err != nil:
		return fail(CodeDamaged, "decrypt: %w", err)
	}
	temp := filepath.Join(filepath.Dir(path), tempPrefix+"reseal-"+filepath.Base(path))
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return diskError("make file", err)
	}
	sum := sha256.New()
	err = reseal(io.MultiWriter(f, sum), plain, to)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = publish(temp, path, sum.Sum(nil))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(temp))
	}
	return diskError("encrypt anew", err)
}

func reseal(w io.Writer, plain io.Reader, to []age.Recipient) error {
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sealed, plain); err != nil {
		return err
	}
	return sealed.Close()
}
