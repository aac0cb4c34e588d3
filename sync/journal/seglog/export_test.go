package seglog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"yipiao/sync/journal"
)

// Forge changes the last byte of the body of the record in segment[begin:end] and makes its CRC
// right again, as somebody without the key could.
func Forge(segment []byte, begin, end int) {
	h, err := decodeLabel(segment)
	if err != nil {
		panic(err)
	}
	rec := record(segment[begin:end])
	rec[rec.length()-1] ^= 1
	seal(rec, uint32(rec.seq()-rec.batch()), seedCRC(h.seed))
}

// SetVersion gives a segment another format version.
func SetVersion(segment []byte, v uint32) {
	binary.LittleEndian.PutUint32(segment[8:], v)
	binary.LittleEndian.PutUint32(segment[40:], crc32.Checksum(segment[:40], castagnoli))
}

// IsVersionError reports whether err refuses another format version.
func IsVersionError(err error) bool { return errors.Is(err, errVersion) }

// DecodeRecord decodes the record at the beginning of b in a segment of the given epoch.
func DecodeRecord(b []byte, epoch uint64) (size int, e journal.Entry, ok bool) {
	rec, why := decodeRecord(b, seedCRC(epoch))
	if why != ReasonNone {
		return 0, journal.Entry{}, false
	}
	return len(rec), rec.entry(0), true
}

// EncodeRecord is the reverse of DecodeRecord; back are the three bytes that say how far the batch
// goes back.
func EncodeRecord(e journal.Entry, back []byte, epoch uint64) []byte {
	rec := record(appendRecord(nil, e.Seq, &e.Record))
	copy(rec[sumOff:], e.Sum[:])
	seal(rec, uint32(back[0])|uint32(back[1])<<8|uint32(back[2])<<16, seedCRC(epoch))
	return rec
}

// FixRecords makes the CRC of every record in b right, as far as their lengths lead.
func FixRecords(b []byte, epoch uint64) {
	for {
		rec, why := frameRecord(b)
		if why != ReasonNone {
			return
		}
		seal(rec, uint32(rec.seq()-rec.batch()), seedCRC(epoch))
		b = b[len(rec):]
	}
}
