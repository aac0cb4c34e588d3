package drivers

import (
	"context"
	"log/slog"
	"time"
)

// A DocumentKind is what sort of identity document was read (SHOW-6.3.3.1). It is a stable code.
type DocumentKind string

// Kinds of documents that readers can read.
const (
	DocResident     DocumentKind = "resident"      // 居民身份证
	DocHMTResidence DocumentKind = "hmt_residence" // 港澳台居民居住证
	DocForeigner    DocumentKind = "foreigner"     // 外国人永久居留身份证, 2017 and 2023
	DocPassport     DocumentKind = "passport"      // TD3
	DocTravelCard   DocumentKind = "travel_card"   // TD1 or TD2, for example 港澳居民来往内地通行证
)

// A Document is an identity document as read. It is personal data: it prints and logs as its kind
// only, and nobody may put its fields into a log or a URL.
type Document struct {
	Kind        DocumentKind
	Number      string // as on the document, checked where it has a check digit
	Name        string // Chinese name, or as in the MRZ with one space between parts
	EnglishName string // where the document has one besides
	Sex         string // "M", "F" or ""
	Birth       string // YYYY-MM-DD
	Nationality string // ISO 3166-1 alpha-3, "" where the document does not say
	ValidFrom   string // YYYY-MM-DD or ""
	ValidTo     string // YYYY-MM-DD; "" means without end or not said
	PassNumber  string // of a residence card for Hong Kong, Macao and Taiwan
	Photo       []byte // opaque, as the reader gave it; nil for none
	At          time.Time
}

// String is the kind: nothing about a person may reach a log by accident.
func (d Document) String() string { return "document(" + string(d.Kind) + ")" }

// GoString is String, so that %#v tells no more.
func (d Document) GoString() string { return d.String() }

// LogValue is String, for log/slog.
func (d Document) LogValue() slog.Value { return slog.StringValue(d.String()) }

// A DocumentFault says that something lies on the reader and cannot be read.
type DocumentFault struct {
	Code string // stable: "removed", "damaged", "not_authorised", "check_digit", "unknown_card", …
	Note string // technical, short, English, without personal data
}

// A TagTech is how a chip talks.
type TagTech string

// Technologies of chips.
const (
	TagUHF     TagTech = "uhf"     // EPC Gen2; ID is the EPC
	TagHFA     TagTech = "hf_a"    // ISO 14443 A; ID is the UID
	TagHFB     TagTech = "hf_b"    // ISO 14443 B
	TagHFV     TagTech = "hf_v"    // ISO 15693; ID is the UID, most significant byte first
	TagWiegand TagTech = "wiegand" // ID is the number without parity bits, big-endian
)

// A Tag is one chip seen. A reader reports a chip that stays in the field once, and again only after
// it has been away for the configured time.
type Tag struct {
	Tech    TagTech
	ID      []byte // owned by the receiver
	Antenna int    // from 1; 0 where the reader has just one
	RSSI    int    // dBm; 0 where the reader does not say
	At      time.Time
}

func (Document) isEvent()      {}
func (DocumentFault) isEvent() {}
func (Tag) isEvent()           {}

// Abilities of scanners that take commands. Both block until the scanner has acknowledged, refused
// (ErrRefused), stayed silent (ErrNoAnswer), or ctx ends.
type (
	// A Trigger starts and stops reading.
	Trigger interface {
		Trigger(ctx context.Context, on bool) error
	}
	// A Beeper tells the person at the scanner how it went.
	Beeper interface {
		Beep(ctx context.Context, ok bool) error
	}
)
