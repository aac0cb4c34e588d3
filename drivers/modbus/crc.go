package modbus

// crcTable is CRC-16 with the reflected polynomial A001 (Modbus over serial line V1.02 §6.2.2), one
// entry for each value of the low byte.
var crcTable = makeCRCTable()

func makeCRCTable() (t [256]uint16) {
	for i := range t {
		crc := uint16(i)
		for range 8 {
			odd := crc&1 != 0
			crc >>= 1
			if odd {
				crc ^= 0xA001
			}
		}
		t[i] = crc
	}
	return t
}

// CRC is the checksum of a frame, which goes on the line with its low byte first.
func CRC(p []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range p {
		crc = crc>>8 ^ crcTable[byte(crc)^b]
	}
	return crc
}

func appendCRC(dst []byte, from int) []byte {
	crc := CRC(dst[from:])
	return append(dst, byte(crc), byte(crc>>8))
}

// checked reports whether the last two bytes of p are the checksum of the others. The checksum of a
// whole frame, checksum included, is zero.
func checked(p []byte) bool { return len(p) >= 4 && CRC(p) == 0 }
