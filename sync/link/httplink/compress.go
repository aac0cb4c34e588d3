package httplink

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	encodingZstd = "zstd"
	encodingGzip = "gzip"
)

// errTooLarge is returned for a body that is larger than its limit, before or after decompression.
var errTooLarge = errors.New("httplink: body too large")

// A codec compresses and decompresses whole messages. It is safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
	max int
}

func newCodec(maxDecoded int) *codec {
	// The options are constants within their documented ranges, so no error can come.
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	dec, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(uint64(maxDecoded)),
		zstd.WithDecoderLowmem(true))
	return &codec{enc: enc, dec: dec, max: maxDecoded}
}

// choose picks the best encoding of an Accept-Encoding header; "" is none.
func choose(accept string) string {
	best := ""
	for _, part := range strings.Split(accept, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.ReplaceAll(params, " ", "") == "q=0" {
			continue
		}
		switch strings.TrimSpace(name) {
		case encodingZstd:
			return encodingZstd
		case encodingGzip:
			best = encodingGzip
		}
	}
	return best
}

func (c *codec) encode(encoding string, body []byte) ([]byte, error) {
	switch encoding {
	case encodingZstd:
		return c.enc.EncodeAll(body, nil), nil
	case encodingGzip:
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(body); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		return out.Bytes(), nil
	}
	return body, nil
}

// decode reads a whole body; neither its compressed nor its decoded form may exceed the limit.
func (c *codec) decode(encoding string, body io.Reader) ([]byte, error) {
	raw, err := readAll(body, c.max)
	if err != nil {
		return nil, err
	}
	switch encoding {
	case "", "identity":
		return raw, nil
	case encodingZstd:
		out, err := c.dec.DecodeAll(raw, nil)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return nil, errTooLarge
		}
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		return out, nil
	case encodingGzip:
		r, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		return readAll(r, c.max)
	}
	return nil, fmt.Errorf("unknown content encoding %q", encoding)
}

func readAll(r io.Reader, most int) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if len(out) > most {
		return nil, errTooLarge
	}
	return out, nil
}
