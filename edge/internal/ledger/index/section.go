package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A sectionWriter writes sections through one buffer. After the first error it does nothing.
type sectionWriter struct {
	w   io.Writer
	buf []byte
	crc uint32
	n   int64
	err error
}

func (sw *sectionWriter) flush() {
	sw.crc = crc32.Update(sw.crc, castagnoli, sw.buf)
	if sw.err == nil {
		var n int
		n, sw.err = sw.w.Write(sw.buf)
		sw.n += int64(n)
	}
	sw.buf = sw.buf[:0]
}

func appendHead(b []byte, kind uint8, k Key, part int, length uint64) []byte {
	b = append(b, kind, uint8(k))
	b = binary.LittleEndian.AppendUint16(b, uint16(part))
	return binary.LittleEndian.AppendUint64(b, length)
}

func (sw *sectionWriter) begin(kind uint8, k Key, part int, length uint64) {
	sw.crc = 0
	sw.buf = appendHead(sw.buf, kind, k, part, length)
}

func (sw *sectionWriter) end() {
	sw.flush()
	sw.buf = binary.LittleEndian.AppendUint32(sw.buf, sw.crc)
	sw.flush()
}

// whole writes a section whose body is made at once. One of a key's shards is left out if empty.
func (sw *sectionWriter) whole(kind uint8, k Key, part int, body func([]byte) []byte) {
	if sw.err != nil {
		return
	}
	sw.begin(kind, k, part, 0)
	sw.buf = body(sw.buf)
	length := len(sw.buf) - headSize
	if kind == sectionKey && length == 0 {
		sw.buf = sw.buf[:0]
		return
	}
	appendHead(sw.buf[:0], kind, k, part, uint64(length))
	sw.end()
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSnapshot, fmt.Sprintf(format, args...))
}

// A sectionReader reads sections through one buffer.
type sectionReader struct {
	r    io.Reader
	buf  []byte
	crc  uint32
	kind uint8
	key  Key
	part int
	left uint64 // of the body
}

// full reads n bytes, at most the buffer's size, which are good until the next call.
func (sr *sectionReader) full(n int) ([]byte, error) {
	b := sr.buf[:n]
	switch _, err := io.ReadFull(sr.r, b); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, bad("cut off")
	case err != nil:
		return nil, err
	}
	return b, nil
}

func (sr *sectionReader) magic() error {
	b, err := sr.full(len(magic) + 1)
	switch {
	case err != nil:
		return err
	case string(b[:len(magic)]) != magic:
		return bad("no magic")
	case b[len(magic)] != version:
		return bad("version %d, want %d", b[len(magic)], version)
	}
	return nil
}

// begin reads the head of the next section.
func (sr *sectionReader) begin() error {
	b, err := sr.full(headSize)
	if err != nil {
		return err
	}
	sr.crc = crc32.Update(0, castagnoli, b)
	sr.kind, sr.key, sr.part = b[0], Key(b[1]), int(binary.LittleEndian.Uint16(b[2:]))
	sr.left = binary.LittleEndian.Uint64(b[4:])
	return nil
}

// next is as much of the body as the buffer holds; nothing at its end.
func (sr *sectionReader) next() ([]byte, error) {
	b, err := sr.full(int(min(sr.left, uint64(len(sr.buf)))))
	if err != nil {
		return nil, err
	}
	sr.crc = crc32.Update(sr.crc, castagnoli, b)
	sr.left -= uint64(len(b))
	return b, nil
}

// end checks the sum after the body.
func (sr *sectionReader) end() error {
	b, err := sr.full(4)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b) != sr.crc {
		return bad("sum of section %d", sr.kind)
	}
	return nil
}

// body is the whole body of a section, which grows only as it arrives.
func (sr *sectionReader) body(dst []byte) ([]byte, error) {
	for sr.left > 0 {
		b, err := sr.next()
		if err != nil {
			return dst, err
		}
		dst = append(dst, b...)
	}
	return dst, sr.end()
}
