package acatri

// syncCode begins each command; manual, attachment II.
const syncCode = 0xEB

// A Command is what the tripod is told.
type Command byte

// Commands that the driver uses. The tripod has others, which nothing here needs: 42 drops and 43 raises the arm, 4A
// forbids passage and 4B allows it again.
const (
	LeftOpen  Command = 0x40 // one person to the left
	RightOpen Command = 0x41
)

// AppendCommand adds a command's frame to dst: sync, address, command, 00, and sync XOR address XOR command.
func AppendCommand(dst []byte, address byte, c Command) []byte {
	return append(dst, syncCode, address, byte(c), 0x00, syncCode^address^byte(c))
}
