package idreader

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
	"unicode/utf16"
)

// A Card is one card with what is written in its chip. Dates are YYYYMMDD.
type Card struct {
	Kind    string `json:"kind"`              // resident, hmt_residence, foreigner_2017 or foreigner_2023
	Name    string `json:"name"`              // Chinese name
	English string `json:"english,omitempty"` // foreigners' only
	Sex     string `json:"sex"`               // "1" or "2", as stored
	Nation  string `json:"nation,omitempty"`
	Birth   string `json:"birth"`
	Address string `json:"address,omitempty"`
	Number  string `json:"number"`
	Issuer  string `json:"issuer,omitempty"`
	From    string `json:"from"`
	To      string `json:"to"` // or 长期
	Country string `json:"country,omitempty"`
	Pass    string `json:"pass,omitempty"` // residence card: number of the pass
	Issues  string `json:"issues,omitempty"`

	SelectStatus byte `json:"select_status,omitempty"` // answer to select; 0 is good
	ReadStatus   byte `json:"read_status,omitempty"`   // answer to read; 0 is good
}

// Specimen returns an invented card by name; see Specimens.
func Specimen(name string) (Card, error) {
	switch name {
	case "resident":
		return Card{Kind: "resident", Name: "张三", Sex: "2", Nation: "01", Birth: "19491231", Address: "北京市朝阳区样例路1号",
			Number: "11010519491231002X", Issuer: "北京市公安局朝阳分局", From: "20100101", To: "长期"}, nil
	case "resident_rare_name": // GB 18030 with four bytes, UTF-16 with a surrogate pair
		return Card{Kind: "resident", Name: "张𠮷㐂", Sex: "1", Nation: "01", Birth: "20000229", Address: "样例市䶮县1号",
			Number: "11010520000229003X", Issuer: "样例市公安局", From: "20200301", To: "20300301"}, nil
	case "hongkong":
		return Card{Kind: "hmt_residence", Name: "李四", Sex: "2", Birth: "19940823", Address: "广东省深圳市样例路2号",
			Number: "810000199408230021", Issuer: "深圳市公安局", From: "20200101", To: "20250101", Pass: "H12345678", Issues: "01"}, nil
	case "taiwan":
		return Card{Kind: "hmt_residence", Name: "王五", Sex: "1", Birth: "19770101", Address: "福建省厦门市样例路3号",
			Number: "830000197701011113", Issuer: "厦门市公安局", From: "20200101", To: "20250101", Pass: "12345678", Issues: "02"}, nil
	case "foreigner_2017":
		return Card{Kind: "foreigner_2017", Name: "安娜", English: "SPECIMEN, ANNA MARIA", Sex: "2", Birth: "19810803",
			Number: "CAN110101010101", Issuer: "1500", From: "20170601", To: "20270601", Country: "CAN"}, nil
	case "foreigner_2023":
		return Card{Kind: "foreigner_2023", Name: "安娜", English: "SPECIMEN, WILHELMINA CONSTANTIA ALEXANDRA", Sex: "2", Nation: "00",
			Birth: "19810803", Number: "911124198108030024", From: "20231201", To: "20331201", Country: "CAN"}, nil
	}
	return Card{}, fmt.Errorf("specimen %q is not one of %v", name, Specimens())
}

// Specimens lists the cards that Specimen has.
func Specimens() []string {
	return []string{"resident", "resident_rare_name", "hongkong", "taiwan", "foreigner_2017", "foreigner_2023"}
}

// slot is a place in the text memory, in UTF-16 units.
type slot struct {
	at, units int
	text      string
}

// Text is the 256 bytes of a card's text memory. A text that is too long is cut.
func (c Card) Text() ([]byte, error) {
	common := []slot{
		{0, 15, c.Name}, {15, 1, c.Sex}, {16, 2, c.Nation}, {18, 8, c.Birth}, {61, 18, c.Number}, {94, 8, c.From}, {102, 8, c.To},
	}
	local := append(common, slot{26, 35, c.Address}, slot{79, 15, c.Issuer})
	switch c.Kind {
	case "resident":
		return memory(local), nil
	case "hmt_residence":
		return memory(append(local, slot{110, 9, c.Pass}, slot{119, 2, c.Issues}, slot{124, 1, "J"})), nil
	case "foreigner_2017":
		return memory([]slot{
			{0, 60, c.English}, {60, 1, c.Sex}, {61, 15, c.Number}, {76, 3, c.Country}, {79, 15, c.Name}, {94, 8, c.From},
			{102, 8, c.To}, {110, 8, c.Birth}, {118, 2, "01"}, {120, 4, c.Issuer}, {124, 1, "I"},
		}), nil
	case "foreigner_2023":
		first, rest := c.English, ""
		if len(first) > 35 {
			first, rest = first[:35], first[35:]
		}
		return memory(append(common, slot{26, 35, first}, slot{110, 11, rest}, slot{121, 3, c.Country}, slot{124, 1, "Y"})), nil
	}
	return nil, fmt.Errorf("card of kind %q, want resident, hmt_residence, foreigner_2017 or foreigner_2023", c.Kind)
}

// memory writes slots into 128 units of blanks.
func memory(slots []slot) []byte {
	units := slices.Repeat([]uint16{' '}, 128)
	for _, s := range slots {
		text := utf16.Encode([]rune(s.text))
		copy(units[s.at:s.at+s.units], text)
	}
	out := make([]byte, 0, 256)
	for _, u := range units {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// Photo is the picture of every specimen: 1024 bytes that nobody can read, with what looks like the
// beginning of a frame among them.
func Photo() []byte {
	p := make([]byte, 1024)
	for i := range p {
		p[i] = byte(i*7 + 3)
	}
	copy(p[100:], []byte{0xAA, 0xAA, 0xAA, 0x96, 0x69, 0x00, 0x08})
	return p
}

// A laid card lies on the reader.
type laid struct {
	card     Card
	selected bool      // and so not found again
	until    time.Time // when it is lifted by itself; zero for never
}
