package bench

import (
	"encoding/binary"
	"fmt"

	"yipiao/firmware-sim/rtu"
)

// functions are what Modbus functions are called.
var functions = map[byte]struct{ zh, en string }{
	1: {"读线圈", "read coils"}, 2: {"读输入", "read inputs"}, 3: {"读寄存器", "read registers"}, 4: {"读输入寄存器", "read input registers"},
	5: {"写线圈", "write coil"}, 6: {"写寄存器", "write register"}, 15: {"写多个线圈", "write coils"}, 16: {"写多个寄存器", "write registers"},
}

// describeModbus puts a Modbus RTU frame into words, for devices whose package leaves that to the bench. Pieces,
// and frames for another unit, are shown as what they are.
func describeModbus(sent bool, p []byte) string {
	if len(p) < 4 || !rtu.Intact(p) {
		return fmt.Sprintf("不成帧的 %d 字节 / %d bytes that are no frame", len(p), len(p))
	}
	unit, fc := p[0], p[1]&^byte(rtu.Refused)
	f, known := functions[fc]
	if !known {
		f.zh, f.en = fmt.Sprintf("功能 %d", fc), fmt.Sprintf("function %d", fc)
	}
	switch {
	case p[1]&rtu.Refused != 0:
		return fmt.Sprintf("站 %d 拒绝%s，异常 %d / unit %d refuses to %s, exception %d", unit, f.zh, p[2], unit, f.en, p[2])
	case sent:
		return fmt.Sprintf("站 %d 应答%s / unit %d answers: %s", unit, f.zh, unit, f.en)
	case len(p) < 8:
		return fmt.Sprintf("请站 %d %s / asks unit %d: %s", unit, f.zh, unit, f.en)
	}
	addr, n := binary.BigEndian.Uint16(p[2:]), binary.BigEndian.Uint16(p[4:])
	if fc == 5 || fc == 6 {
		return fmt.Sprintf("请站 %d %s %#04x = %#04x / asks unit %d: %s", unit, f.zh, addr, n, unit, f.en)
	}
	return fmt.Sprintf("请站 %d %s %#04x 起 %d 个 / asks unit %d: %s, %d from there", unit, f.zh, addr, n, unit, f.en, n)
}
