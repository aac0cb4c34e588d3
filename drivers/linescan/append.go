package linescan

import (
	"fmt"

	"yipiao/drivers"
)

// A Terminator is how a scanner is set to end its lines.
type Terminator string

// Terminators.
const (
	CR     Terminator = "CR"
	LF     Terminator = "LF"
	CRLF   Terminator = "CRLF"
	TAB    Terminator = "TAB"
	STXETX Terminator = "STX-ETX"
)

// Append adds to dst what a scanner sends for a good frame.
func Append(dst []byte, fr Frame, end Terminator) ([]byte, error) {
	if end == STXETX {
		dst = append(dst, stx)
	}
	dst = append(append(dst, fr.AIM...), fr.Data...)
	switch end {
	case CR:
		return append(dst, cr), nil
	case LF:
		return append(dst, lf), nil
	case CRLF:
		return append(dst, cr, lf), nil
	case TAB:
		return append(dst, tab), nil
	case STXETX:
		return append(dst, etx), nil
	}
	return nil, fmt.Errorf("linescan: unknown terminator %q", end)
}

// Decode cuts a whole recording into frames, silence at its end included.
func (f *Framer) Decode(p []byte) []Frame {
	var frames []Frame
	for len(p) > 0 {
		fr, n, ok := f.Next(p)
		if ok {
			frames = append(frames, fr)
		}
		p = p[n:]
	}
	if fr, ok := f.Idle(); ok {
		frames = append(frames, fr)
	}
	return frames
}

// Scan is the event for a frame whose last byte came when the caller says.
func (fr Frame) scan() drivers.Scan {
	return drivers.Scan{Data: fr.Data, AIM: fr.AIM, Bytes: fr.Bytes, Fault: fr.Fault}
}
