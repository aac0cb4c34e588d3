package sdt

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"yipiao/drivers"
)

// Faults of a text block.
var (
	errCheckDigit = errors.New("sdt: check digit of the number is wrong")
	errText       = errors.New("sdt: unusable text block")
)

// A field is where something stands in the text block, UTF-16LE, padded with spaces.
type field struct{ at, size int }

// Fields of the layouts, devices.md §5.2. The type of a card stands at the same place in all of them.
var (
	fType = field{248, 2}

	// Resident card, residence card for Hong Kong, Macao and Taiwan, and in part foreigner 2023.
	fName, fSex, fBirth = field{0, 30}, field{30, 2}, field{36, 16}
	fNumber             = field{122, 36}
	fFrom, fTo          = field{188, 16}, field{204, 16}
	fPass               = field{220, 18} // residence card: number of the pass

	// Foreigner 2017.
	oldEnglish, oldSex, oldNumber   = field{0, 120}, field{120, 2}, field{122, 30}
	oldCountry, oldChinese, oldFrom = field{152, 6}, field{158, 30}, field{188, 16}
	oldTo, oldBirth                 = field{204, 16}, field{220, 16}

	// Foreigner 2023, where it differs.
	newEnglish, newEnglishRest, newCountry = field{52, 70}, field{220, 22}, field{242, 6}
)

// noEnd is what stands for a card without an end.
const noEnd = "长期"

// A block is the text of a card.
type block []byte

// get returns a field without its padding.
func (b block) get(fs ...field) string {
	var units []uint16
	for _, f := range fs {
		for i := f.at; i < f.at+f.size; i += 2 {
			units = append(units, binary.LittleEndian.Uint16(b[i:]))
		}
	}
	return strings.Trim(string(utf16.Decode(units)), " \x00")
}

// document reads a text block of 256 bytes. The error is errCheckDigit or wraps errText, and says nothing
// about the person.
func (b block) document() (drivers.Document, error) {
	switch b.get(fType) {
	case "I":
		return b.foreigner2017()
	case "Y":
		return b.foreigner2023()
	case "J":
		d, err := b.resident(drivers.DocHMTResidence)
		d.PassNumber = b.get(fPass)
		return d, err
	}
	return b.resident(drivers.DocResident)
}

func (b block) resident(kind drivers.DocumentKind) (drivers.Document, error) {
	d := drivers.Document{Kind: kind, Name: b.get(fName), Number: b.get(fNumber), Sex: sex(b.get(fSex))}
	return b.finish(d, fBirth, fFrom, fTo, Mod11)
}

func (b block) foreigner2017() (drivers.Document, error) {
	d := drivers.Document{
		Kind: drivers.DocForeigner, Name: b.get(oldChinese), EnglishName: b.get(oldEnglish), Number: b.get(oldNumber),
		Sex: sex(b.get(oldSex)), Nationality: b.get(oldCountry),
	}
	return b.finish(d, oldBirth, oldFrom, oldTo, oldForeigner)
}

func (b block) foreigner2023() (drivers.Document, error) {
	d := drivers.Document{
		Kind: drivers.DocForeigner, Name: b.get(fName), EnglishName: b.get(newEnglish, newEnglishRest), Number: b.get(fNumber),
		Sex: sex(b.get(fSex)), Nationality: b.get(newCountry),
	}
	return b.finish(d, fBirth, fFrom, fTo, func(n string) bool { return strings.HasPrefix(n, "9") && Mod11(n) })
}

// finish adds the dates and checks what all cards have.
func (b block) finish(d drivers.Document, birth, from, to field, good func(string) bool) (drivers.Document, error) {
	if d.Name == "" {
		d.Name, d.EnglishName = d.EnglishName, ""
	}
	var bad error
	read := func(what string, f field) string {
		s, err := date(b.get(f))
		if err != nil {
			bad = fmt.Errorf("%w: %s", errText, what)
		}
		return s
	}
	d.Birth, d.ValidFrom = read("birth", birth), read("valid from", from)
	if b.get(to) != noEnd {
		d.ValidTo = read("valid to", to)
	}
	switch {
	case bad != nil:
		return drivers.Document{}, bad
	case d.Name == "":
		return drivers.Document{}, fmt.Errorf("%w: no name", errText)
	case !good(d.Number):
		return drivers.Document{}, errCheckDigit
	}
	return d, nil
}

func sex(code string) string {
	switch code {
	case "1":
		return "M"
	case "2":
		return "F"
	}
	return ""
}

// date turns YYYYMMDD into YYYY-MM-DD.
func date(s string) (string, error) {
	t, err := time.Parse("20060102", s)
	if err != nil {
		return "", errText
	}
	return t.Format(time.DateOnly), nil
}

// Mod11 checks an 18-character number by GB 11643 (ISO 7064 MOD 11-2).
func Mod11(number string) bool {
	if len(number) != 18 {
		return false
	}
	sum := 0
	for i, weight := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		if number[i] < '0' || number[i] > '9' {
			return false
		}
		sum += int(number[i]-'0') * weight
	}
	return number[17] == "10X98765432"[sum%11]
}

// oldForeigner checks the form of a number of 2017: three letters and twelve digits. Its check digit is
// not that of GB 11643.
func oldForeigner(number string) bool {
	if len(number) != 15 {
		return false
	}
	for i := range len(number) {
		low, high := byte('0'), byte('9')
		if i < 3 {
			low, high = 'A', 'Z'
		}
		if number[i] < low || number[i] > high {
			return false
		}
	}
	return true
}

// moduleNumber writes the number of a security module as its label has it: two numbers of 16 bits and three
// of 32, low byte first. [M]: devices.md §5.2 gives only its length; what is not 16 bytes is shown as they are.
func moduleNumber(data []byte) string {
	if len(data) != 16 {
		return "SAM " + hex.EncodeToString(data)
	}
	le := binary.LittleEndian
	return fmt.Sprintf("SAM %02d.%02d-%08d-%010d-%010d", le.Uint16(data), le.Uint16(data[2:]),
		le.Uint32(data[4:]), le.Uint32(data[8:]), le.Uint32(data[12:]))
}
