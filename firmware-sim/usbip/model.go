package usbip

import (
	"encoding/binary"
	"unicode/utf16"
)

// A Model is what a device says about itself.
type Model struct {
	Vendor, Product     uint16
	Maker, Name, Serial string // "" for none
	Report              []byte // HID report descriptor
	Packet              int    // bytes of an input report at most; 0 is 64
	Keyboard            bool   // a boot keyboard
	Out                 bool   // has an endpoint for output reports; without one they come as SET_REPORT
}

func (m Model) packet() int {
	if m.Packet == 0 {
		return 64
	}
	return m.Packet
}

// PointOfSale is the report descriptor of a scanner in the mode "HID POS", with Honeywell's output report FD.
var PointOfSale = []byte{
	0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01, // bar code scanner
	0x09, 0x12, 0xA1, 0x02, 0x85, 0x02, // scanned data, report 2
	0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08,
	0x05, 0x01, 0x09, 0x3B, 0x95, 0x01, 0x81, 0x02, // byte count
	0x05, 0x8C, 0x09, 0xFB, 0x09, 0xFC, 0x09, 0xFD, 0x95, 0x03, 0x81, 0x02, // AIM identifier
	0x09, 0xFE, 0x95, 0x38, 0x82, 0x02, 0x01, // decoded data
	0x06, 0x66, 0xFF, 0x09, 0x04, 0x95, 0x02, 0x81, 0x02, // the maker's code
	0x05, 0x8C, 0x09, 0xFF, 0x75, 0x01, 0x95, 0x01, 0x81, 0x02, // more follows
	0x75, 0x07, 0x81, 0x03, 0xC0,
	0x06, 0x66, 0xFF, 0x09, 0x05, 0x85, 0xFD, 0x75, 0x08, 0x95, 0x3F, 0x91, 0x02, // output
	0xC0,
}

// BootKeyboard is the report descriptor of a keyboard, as in appendix B of the HID specification.
var BootKeyboard = []byte{
	0x05, 0x01, 0x09, 0x06, 0xA1, 0x01,
	0x05, 0x07, 0x19, 0xE0, 0x29, 0xE7, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, // modifiers
	0x95, 0x01, 0x75, 0x08, 0x81, 0x03,
	0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02, 0x95, 0x01, 0x75, 0x03, 0x91, 0x03, // lamps
	0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x25, 0x65, 0x05, 0x07, 0x19, 0x00, 0x29, 0x65, 0x81, 0x00, // keys
	0xC0,
}

// Scanner is a scanner in the mode "HID POS" without an OUT endpoint.
func Scanner(serial string) Model {
	return Model{
		Vendor: 0x1209, Product: 0x0001, Maker: "Yipiao", Name: "HID-POS Scanner", Serial: serial, Report: PointOfSale,
	}
}

// Wedge is a scanner that types.
func Wedge(serial string) Model {
	return Model{
		Vendor: 0x1209, Product: 0x0002, Maker: "Yipiao", Name: "Keyboard Scanner", Serial: serial, Report: BootKeyboard,
		Packet: 8, Keyboard: true,
	}
}

// Types of descriptors.
const (
	typeDevice = 1 + iota
	typeConfiguration
	typeString
	typeInterface
	typeEndpoint
	typeHID    = 0x21
	typeReport = 0x22
)

// descriptor is what GET_DESCRIPTOR is answered with, or nil.
func (m Model) descriptor(kind, index byte) []byte {
	switch kind {
	case typeDevice:
		p := []byte{18, typeDevice, 0x00, 0x02, 0, 0, 0, 64, 0, 0, 0, 0, 0x00, 0x01, 1, 2, 3, 1}
		binary.LittleEndian.PutUint16(p[8:], m.Vendor)
		binary.LittleEndian.PutUint16(p[10:], m.Product)
		return p
	case typeConfiguration:
		return m.configuration()
	case typeString:
		return m.text(index)
	case typeHID:
		return m.hid()
	case typeReport:
		return m.Report
	}
	return nil
}

func (m Model) hid() []byte {
	return []byte{9, typeHID, 0x11, 0x01, 0, 1, typeReport, byte(len(m.Report)), byte(len(m.Report) >> 8)}
}

func (m Model) configuration() []byte {
	endpoints, class := byte(1), []byte{3, 0, 0}
	if m.Out {
		endpoints = 2
	}
	if m.Keyboard {
		class = []byte{3, 1, 1}
	}
	body := append([]byte{9, typeInterface, 0, 0, endpoints}, append(class, 0)...)
	body = append(body, m.hid()...)
	size := m.packet()
	body = append(body, 7, typeEndpoint, 0x81, 3, byte(size), byte(size>>8), 1)
	if m.Out {
		body = append(body, 7, typeEndpoint, 0x01, 3, 64, 0, 1)
	}
	total := 9 + len(body)
	return append([]byte{9, typeConfiguration, byte(total), byte(total >> 8), 1, 1, 0, 0x80, 50}, body...)
}

// text is a string descriptor: 0 says the language, English.
func (m Model) text(index byte) []byte {
	if index == 0 {
		return []byte{4, typeString, 0x09, 0x04}
	}
	texts := []string{m.Maker, m.Name, m.Serial}
	if int(index) > len(texts) || texts[index-1] == "" {
		return nil
	}
	p := []byte{0, typeString}
	for _, u := range utf16.Encode([]rune(texts[index-1])) {
		p = binary.LittleEndian.AppendUint16(p, u)
	}
	p[0] = byte(len(p))
	return p
}
