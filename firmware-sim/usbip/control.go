package usbip

import "encoding/binary"

// Requests: the type in the high byte, the number in the low one.
const (
	getStatus        = 0x8000
	getDescriptor    = 0x8006
	getConfiguration = 0x8008
	getInterfaceDesc = 0x8106
	setAddress       = 0x0005
	setConfiguration = 0x0009
	setInterface     = 0x010B
	clearHalt        = 0x0201
	setReport        = 0x2109
	setIdle          = 0x210A
	setProtocol      = 0x210B
)

// control answers a request to the device itself; one that it does not know is stalled.
func (s *session) control(u urb) error {
	request := binary.BigEndian.Uint16(u.setup[:])
	switch request {
	case getDescriptor, getInterfaceDesc:
		if p := s.model.descriptor(u.setup[3], u.setup[2]); p != nil {
			return s.reply(u, succeeded, p)
		}
	case getStatus:
		return s.reply(u, succeeded, []byte{0, 0})
	case getConfiguration:
		return s.reply(u, succeeded, []byte{1})
	case setAddress, setConfiguration, setInterface, clearHalt, setIdle, setProtocol:
		return s.reply(u, succeeded, nil)
	case setReport:
		if _, err := s.reports.Write(u.data); err == nil {
			return s.reply(u, succeeded, nil)
		}
	}
	return s.reply(u, stall, nil)
}
