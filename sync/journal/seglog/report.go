package seglog

import (
	"fmt"
	"strings"

	"yipiao/sync/journal"
)

// Reason says why recovery stopped at a place.
type Reason string

// The reasons.
const (
	ReasonNone   Reason = ""                // nothing was wrong
	ReasonZero   Reason = "zero record"     // nothing is written here, but something is further on
	ReasonTorn   Reason = "torn record"     // the record was written in part
	ReasonLength Reason = "bad length"      // no record has such a length, or it leaves the segment
	ReasonCRC    Reason = "bad crc"         // the record is complete and not what was written
	ReasonSeq    Reason = "bad sequence"    // a whole record, of another place in the log
	ReasonChain  Reason = "bad chain"       // a whole record that does not follow from the one before it, or another key
	ReasonHeader Reason = "bad header"      // the segment's label or start block
	ReasonGap    Reason = "missing records" // the segment ends before the next one begins, or is not there
)

// Damage is a place where something durable is missing or changed.
type Damage struct {
	Segment uint64 // number of the segment file
	Offset  int64  // bytes from its beginning
	Seq     uint64 // the sequence number that should be there, 0 if unknown
	Reason  Reason
}

// String describes the place in one line.
func (d Damage) String() string {
	return fmt.Sprintf("%s in %s at byte %d (sequence %d)", d.Reason, segName(d.Segment), d.Offset, d.Seq)
}

// Report says what Open found.
type Report struct {
	First    uint64      // oldest kept sequence number; End.Seq+1 when there is none
	End      journal.Pos // last entry, durable
	Segments int         // segments with records
	Checked  int         // records whose CRC, sequence number and chain were checked

	// A torn tail: what a power cut left of a batch that was never acknowledged. Reason is
	// ReasonNone when the log ended cleanly.
	Reason  Reason
	Segment uint64 // where it was cut
	Offset  int64
	Dropped int64 // bytes from there to the last one that was not zero

	// Damage is why Open returned ErrDamaged, or with Config.AllowDamaged, what it went on with.
	Damage []Damage
	// Saved are the *.bad files, with path, that hold what was cut off a damaged last segment.
	Saved []string
}

// Clean reports whether nothing was dropped and nothing is damaged.
func (r Report) Clean() bool { return r.Reason == ReasonNone && len(r.Damage) == 0 }

// String describes the report in one line.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sequence %d to %d in %d segments", r.First, r.End.Seq, r.Segments)
	if r.Reason != ReasonNone {
		fmt.Fprintf(&b, "; dropped %d bytes of an unfinished batch: %s in %s at byte %d", r.Dropped, r.Reason, segName(r.Segment), r.Offset)
	}
	for _, d := range r.Damage {
		fmt.Fprintf(&b, "; damage: %s", d)
	}
	return b.String()
}
