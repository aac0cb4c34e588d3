package hidpos

import (
	"bytes"
	"context"

	"yipiao/drivers"
	"yipiao/drivers/internal/aim"
)

// Output reports of Honeywell scanners: FD, a length, and what a serial scanner would be sent. Beep and trigger
// are tried by the source; it repeats the letter T for off, where serial scanners have U.
// Unconfirmed: off, and what the length of a menu command counts (the source has 0F for ten bytes).
const (
	outputID   = 0xFD
	syn        = 0x16
	bel        = 0x07
	cr         = 0x0D
	menuLength = 0x0F
)

var (
	beepReport = []byte{outputID, 3, syn, bel, cr}
	onReport   = []byte{outputID, 3, syn, 'T', cr}
	offReport  = []byte{outputID, 3, syn, 'U', cr}
	infoReport = append([]byte{outputID, menuLength, syn, 'M', cr}, "REVINF."...)
)

// Menu answers come as scanned data: text under ]X0 with the maker's code '?', the verdict under ]Z6.
const (
	answerAIM    = "]X0"
	answerVendor = '?'
	notCode      = "]Z" // "no bar code data", ISO/IEC 15424
)

// answer reports whether a message is a menu answer and not a code.
func (m Message) answer() bool { return m.AIM == answerAIM && m.Vendor == answerVendor }

// Firmware takes the software revision out of the answer to REVINF, or "".
func Firmware(text []byte) string {
	for line := range bytes.SplitSeq(text, []byte("\r\n")) {
		if value, ok := bytes.CutPrefix(line, []byte("Software Revision: ")); ok && aim.Printable(value) {
			return string(bytes.TrimSpace(bytes.TrimPrefix(value, []byte("$ProjectRevision:"))))
		}
	}
	return ""
}

// A Honeywell is a Scanner that beeps and is triggered. The scanner does not answer: Trigger and Beep return
// nil once the report has gone out.
type Honeywell struct{ Scanner }

var (
	_ drivers.Trigger = (*Honeywell)(nil)
	_ drivers.Beeper  = (*Honeywell)(nil)
)

// badBeeps is how often the scanner beeps when it did not go well: it has only one sound.
const badBeeps = 3

// Trigger implements drivers.Trigger.
func (h *Honeywell) Trigger(ctx context.Context, on bool) error {
	if on {
		return h.desk.Do(ctx, order{onReport, 1})
	}
	return h.desk.Do(ctx, order{offReport, 1})
}

// Beep implements drivers.Beeper.
func (h *Honeywell) Beep(ctx context.Context, ok bool) error {
	if ok {
		return h.desk.Do(ctx, order{beepReport, 1})
	}
	return h.desk.Do(ctx, order{beepReport, badBeeps})
}
