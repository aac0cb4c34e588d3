package fgl

import (
	"fmt"

	"yipiao/drivers"
	"yipiao/drivers/face"
)

// A Code is a status byte: the printer sends one for each event (Boca FGL guide, status table).
type Code byte

// Status bytes.
const (
	RejectWarn  Code = 0x01
	RejectError Code = 0x02
	Jam1        Code = 0x03
	Jam2        Code = 0x04
	TestTicket  Code = 0x05
	Ack         Code = 0x06 // the ticket is printed
	WrongFile   Code = 0x07
	BadSum      Code = 0x08
	GoodSum     Code = 0x09
	Out1        Code = 0x0A
	Out2        Code = 0x0B
	Loaded1     Code = 0x0C
	Loaded2     Code = 0x0D
	EscrowJam   Code = 0x0E
	LowPaper    Code = 0x0F
	OutOfPaper  Code = 0x10
	XON         Code = 0x11
	PowerOn     Code = 0x12
	XOFF        Code = 0x13
	BadFlash    Code = 0x14
	Illegal     Code = 0x15
	RibbonLow   Code = 0x16
	RibbonOut   Code = 0x17
	PaperJam    Code = 0x18
	IllegalData Code = 0x19
	PowerFault  Code = 0x1A
	LoadError   Code = 0x1C
	CutterJam   Code = 0x1D
	Stuck       Code = 0x1E
	CutterJam2  Code = 0x1F
)

// faults are the codes that a technician must see to, and how they are called.
var faults = map[Code]string{
	RejectError: "reject bin", Jam1: "jam in path 1", Jam2: "jam in path 2", EscrowJam: "escrow jam",
	BadFlash: "bad flash memory", PaperJam: "paper jam", PowerFault: "power-up problem", Stuck: "stuck ticket",
}

// refusals say that the printer did not understand.
var refusals = map[Code]bool{WrongFile: true, BadSum: true, Illegal: true, IllegalData: true, LoadError: true}

// Known reports whether a byte is a status byte at all.
func Known(c Code) bool { return c >= RejectWarn && c <= CutterJam2 && c != 0x1B }

// Apply draws from a code how the printer is, given how it was.
func Apply(was drivers.PrinterStatus, c Code) drivers.PrinterStatus {
	st := was
	switch c {
	case OutOfPaper, Out1, Out2:
		st.Paper = drivers.LevelOut
	case LowPaper:
		st.Paper = drivers.LevelLow
	case Loaded1, Loaded2:
		st.Paper = drivers.LevelOK
	case RibbonOut:
		st.Ribbon = drivers.LevelOut
	case RibbonLow:
		st.Ribbon = drivers.LevelLow
	case CutterJam, CutterJam2:
		st.Cutter = true
	case XOFF:
		st.Online = false
	case XON, PowerOn:
		return Ready()
	default:
		if note, ok := faults[c]; ok {
			st.Error, st.Note = true, note
		}
	}
	return st
}

// Ready is the status of a printer with nothing wrong.
func Ready() drivers.PrinterStatus {
	return drivers.PrinterStatus{Online: true, Paper: drivers.LevelOK, Ribbon: drivers.LevelOK}
}

// Stops reports whether a ticket that is being printed when this code comes may not be whole.
func Stops(c Code) bool {
	_, fault := faults[c]
	switch c {
	case OutOfPaper, Out1, Out2, RibbonOut, CutterJam, CutterJam2, PowerOn:
		return true
	}
	return fault || refusals[c]
}

// Commands.
const (
	statusRequest = "<S1>" // [M] the guide names it; that one byte answers is unconfirmed
	clearBuffer   = "<CB>" // [M]
	printCut      = "<p>"
	printOnly     = "<q>"
)

// Graphics in columns of eight dots.
const (
	columnDots  = 8
	maxGraphics = 250 // bytes of one <G> [M]
	joinGap     = 16  // white columns that cost less than a new position
)

// AppendGraphics adds the black parts of a page, each with its position.
func AppendGraphics(p []byte, b *face.Bitmap) []byte {
	columns := make([]byte, b.Width)
	for y := 0; y < b.Height; y += columnDots {
		fill(columns, b, y)
		for x := 0; x < b.Width; {
			if columns[x] == 0 {
				x++
				continue
			}
			end := span(columns, x)
			p = fmt.Appendf(p, "<RC%d,%d><G%d>", y, x, end-x)
			p = append(p, columns[x:end]...)
			x = end
		}
	}
	return p
}

// fill makes columns of eight rows, the highest bit on top.
func fill(columns []byte, b *face.Bitmap, y int) {
	for x := range columns {
		columns[x] = 0
		for bit := range columnDots {
			if b.Black(x, y+bit) {
				columns[x] |= 0x80 >> bit
			}
		}
	}
}

// span is the end of what is black from x on, small gaps included.
func span(columns []byte, x int) int {
	end := x + 1
	for i := end; i < len(columns) && i-x < maxGraphics && i-end < joinGap; i++ {
		if columns[i] != 0 {
			end = i + 1
		}
	}
	return end
}
