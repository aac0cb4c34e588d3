package linescan

import (
	"bytes"

	"yipiao/drivers"
	"yipiao/drivers/internal/aim"
)

// Framing bytes, devices.md §5.1.
const (
	stx = 0x02
	etx = 0x03
	tab = 0x09
	lf  = 0x0A
	cr  = 0x0D
)

// Limits on the length of a code.
const (
	DefaultLimit = 512
	MinLimit     = 16
	MaxLimit     = 4096
	// faultData is how much of an unusable read is kept, drivers.Scan.
	faultData = 64
)

// A Frame is one read of the scanner, its framing removed.
type Frame struct {
	Data  []byte            // the code; for a fault at most the first 64 bytes
	AIM   string            // AIM identifier such as "]Q1", or ""
	Bytes int               // bytes on the wire including framing, except a LF after CR
	Fault drivers.ScanFault // ScanOK or why Data is not a code
}

// A Framer cuts a byte stream into frames. Its result does not depend on how the stream was split
// into reads. The zero Framer uses DefaultLimit, ends lines at CR or LF and strips AIM identifiers.
type Framer struct {
	Limit   int  // bytes of a code; 0 means DefaultLimit
	Tab     bool // TAB ends a line too
	KeepAIM bool // leave what looks like an AIM identifier in the data

	buf      []byte
	seen     int  // bytes since the last frame ended
	framed   bool // STX seen, ETX ends
	dropping bool // the rest of an overlong burst
}

// Next takes bytes from p until a frame is complete. It returns how many it took, which is all of
// them where ok is false.
func (f *Framer) Next(p []byte) (fr Frame, n int, ok bool) {
	for i, b := range p {
		if fr, ok := f.push(b); ok {
			return fr, i + 1, true
		}
	}
	return Frame{}, len(p), false
}

// Pending reports whether a line has begun, so that silence would be an end.
func (f *Framer) Pending() bool { return f.seen > 0 || f.dropping }

// Idle is told that the line has been silent: what has begun is torn.
func (f *Framer) Idle() (fr Frame, ok bool) {
	if f.dropping {
		f.reset()
		return Frame{}, false
	}
	if f.seen == 0 {
		return Frame{}, false
	}
	return f.end(drivers.ScanTorn), true
}

func (f *Framer) push(b byte) (Frame, bool) {
	if f.dropping {
		if b == etx || f.terminates(b) {
			f.reset()
		}
		return Frame{}, false
	}
	switch {
	case b == stx:
		return f.start()
	case b == etx:
		return f.endSTX()
	case !f.framed && f.terminates(b):
		if len(f.buf) == 0 { // an empty line, or the LF of CR LF
			f.reset()
			return Frame{}, false
		}
		f.seen++
		return f.complete()
	}
	f.seen++
	f.buf = append(f.buf, b)
	if len(f.buf) > f.limit() {
		fr := f.end(drivers.ScanOverlong)
		f.dropping = true
		return fr, true
	}
	return Frame{}, false
}

// start begins a frame at STX; what stood before it has lost its end.
func (f *Framer) start() (Frame, bool) {
	if len(f.buf) == 0 {
		f.framed = true
		f.seen = 1
		return Frame{}, false
	}
	fr := f.end(drivers.ScanTorn)
	f.framed = true
	f.seen = 1
	return fr, true
}

// endSTX ends a frame at ETX. Without STX its beginning is lost.
func (f *Framer) endSTX() (Frame, bool) {
	f.seen++
	if f.framed {
		f.buf = bytes.TrimRight(f.buf, "\r\n") // some scanners send their suffix inside the frame
	}
	if len(f.buf) == 0 {
		f.reset()
		return Frame{}, false
	}
	if !f.framed {
		return f.end(drivers.ScanTorn), true
	}
	return f.complete()
}

// complete ends a frame that has all its framing. An AIM identifier alone is an empty line.
func (f *Framer) complete() (Frame, bool) {
	fr := f.end(drivers.ScanOK)
	if len(fr.Data) == 0 {
		return Frame{}, false
	}
	return fr, true
}

// end makes a frame of what was collected and starts afresh. Binary is told before torn: it names
// the likelier cause, noise or a wrong speed.
func (f *Framer) end(fault drivers.ScanFault) Frame {
	fr := Frame{Bytes: f.seen, Fault: fault}
	data := f.buf
	if !f.KeepAIM {
		fr.AIM, data = aim.Split(data)
	}
	if fault != drivers.ScanOverlong && !aim.Printable(data) {
		fr.Fault = drivers.ScanBinary
	}
	if fr.Fault != drivers.ScanOK && len(data) > faultData {
		data = data[:faultData]
	}
	fr.Data = bytes.Clone(data)
	f.reset()
	return fr
}

func (f *Framer) reset() {
	f.buf = f.buf[:0]
	f.seen = 0
	f.framed = false
	f.dropping = false
}

func (f *Framer) terminates(b byte) bool { return b == cr || b == lf || b == tab && f.Tab }

func (f *Framer) limit() int {
	if f.Limit == 0 {
		return DefaultLimit
	}
	return f.Limit
}
