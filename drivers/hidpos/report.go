package hidpos

import (
	"errors"
	"fmt"

	"yipiao/drivers/internal/aim"
)

// Layout of a scanned-data report, devices.md 5.1.
const (
	reportID   = 0x02
	reportSize = 64
	lengthAt   = 1
	aimAt      = 2
	dataAt     = 5
	maxData    = 56
	vendorAt   = 61
	moreAt     = 63
)

// ErrReport is returned (wrapped) for bytes which are not a scanned-data report.
var ErrReport = errors.New("hidpos: not a scanned-data report")

// A Report is one scanned-data report.
type Report struct {
	AIM    string // such as "]Q1", or ""
	Data   []byte // shares the report's memory
	Vendor byte   // code identifier of the maker
	More   bool   // the code goes on in the next report
}

// Decode reads one input report, its identifier included.
func Decode(p []byte) (Report, error) {
	switch {
	case len(p) != reportSize:
		return Report{}, fmt.Errorf("%w: %d bytes, want %d", ErrReport, len(p), reportSize)
	case p[0] != reportID:
		return Report{}, fmt.Errorf("%w: report %d", ErrReport, p[0])
	case p[lengthAt] > maxData:
		return Report{}, fmt.Errorf("%w: %d data bytes", ErrReport, p[lengthAt])
	case p[moreAt] > 1:
		return Report{}, fmt.Errorf("%w: continuation %#02x", ErrReport, p[moreAt])
	}
	id, ok := decodeAIM(p[aimAt:dataAt])
	if !ok {
		return Report{}, fmt.Errorf("%w: AIM identifier % x", ErrReport, p[aimAt:dataAt])
	}
	return Report{
		AIM: id, Data: p[dataAt : dataAt+int(p[lengthAt])], Vendor: p[vendorAt], More: p[moreAt] == 1,
	}, nil
}

// decodeAIM takes an identifier, or three zeros for none.
func decodeAIM(p []byte) (string, bool) {
	if p[0] == 0 && p[1] == 0 && p[2] == 0 {
		return "", true
	}
	return string(p), aim.Valid(p)
}
