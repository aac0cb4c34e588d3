package printer_test

import (
	"encoding/hex"
	"encoding/json"
	"image"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/printer"
)

// meaning is what of the printers' vectors a simulator needs.
type meaning struct {
	Condition string   `json:"condition"` // in which the printer sends the bytes
	Answer    string   `json:"answer"`    // to a command, in hex
	Rows      []string `json:"rows"`      // what a command prints
	EOT       any      `json:"eot"`
	ASB       any      `json:"asb"`
	Long      string   `json:"long"`
}

func load(t *testing.T, protocol string, each func(t *testing.T, v vectors.Vector, m meaning)) {
	t.Helper()
	vs, err := vectors.Load(protocol)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		var m meaning
		if err := json.Unmarshal(v.Meaning, &m); err != nil {
			t.Fatal(err)
		}
		t.Run(v.Name, func(t *testing.T) { each(t, v, m) })
	}
}

// put brings a printer into a condition.
func put(t *testing.T, p *printer.Printer, condition string) {
	t.Helper()
	switch condition {
	case "", "ready":
	case "paper_low":
		p.SetPaper(true, false)
	case "paper_out":
		p.SetPaper(false, true)
	case "ribbon_low":
		p.SetRibbon(true, false)
	case "ribbon_out":
		p.SetRibbon(false, true)
	case "cover":
		p.SetCover(true)
	case "offline":
		p.SetOnline(false)
	case "cutter":
		p.JamNow()
	default:
		t.Fatalf("unknown condition %q", condition)
	}
}

func (b *bench) write(t *testing.T, wire []byte) {
	t.Helper()
	if _, err := b.host.Write(wire); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second)
	synctest.Wait()
}

// heard returns what the printer has sent.
func (b *bench) heard(t *testing.T) []byte {
	t.Helper()
	synctest.Wait()
	_ = b.host.SetReadDeadline(time.Now().Add(time.Second))
	var all []byte
	buf := make([]byte, 512)
	for {
		n, err := b.host.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return all
		}
	}
}

// inBubble runs a test with a printer of a model.
func inBubble(t *testing.T, s printer.Settings, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := plugIn(t, s)
		test(t, b)
		b.close(t)
	})
}

func expect(t *testing.T, got []byte, want string) {
	t.Helper()
	if h := hex.EncodeToString(got); h != want {
		t.Errorf("sent %s, want %s", h, want)
	}
}

// asks are how a host asks for what the vectors of a protocol hold.
func asks(protocol string, m meaning) [][]byte {
	switch {
	case protocol == "escpos" && m.EOT != nil:
		return [][]byte{{0x10, 4, 1}, {0x10, 4, 2}, {0x10, 4, 3}, {0x10, 4, 4}}
	case protocol == "escpos" && m.ASB != nil:
		return [][]byte{{0x1D, 'a', 0xFF}}
	case protocol == "fgl":
		return [][]byte{[]byte("<S1>")}
	case protocol == "zpl":
		return [][]byte{[]byte("~HS")}
	case m.Long != "":
		return [][]byte{[]byte("\x1b!S")}
	}
	return [][]byte{[]byte("\x1b!?")}
}

// TestConditions: in each condition of a vector the printer says, when asked, what the vector holds.
func TestConditions(t *testing.T) {
	for _, protocol := range []string{printer.ESCPOS, printer.FGL, printer.ZPL, printer.TSPL} {
		load(t, protocol, func(t *testing.T, v vectors.Vector, m meaning) {
			if v.Direction != vectors.DeviceToHost || m.Condition == "" {
				return
			}
			inBubble(t, printer.Settings{Model: protocol}, func(t *testing.T, b *bench) {
				put(t, b.sim, m.Condition)
				b.heard(t) // what it said by itself
				for _, ask := range asks(protocol, m) {
					b.write(t, ask)
				}
				expect(t, b.heard(t), hex.EncodeToString(v.Wire))
			})
		})
	}
}

// TestCommands: a command is answered, or prints, as its vector holds.
func TestCommands(t *testing.T) {
	end := map[string]string{
		printer.ESCPOS: "\x1dV\x00", printer.FGL: "<p>", printer.ZPL: "^FS^PQ1^XZ", printer.TSPL: "",
	}
	for protocol, cut := range end {
		load(t, protocol, func(t *testing.T, v vectors.Vector, m meaning) {
			if v.Direction != vectors.HostToDevice {
				return
			}
			inBubble(t, printer.Settings{Model: protocol}, func(t *testing.T, b *bench) {
				put(t, b.sim, m.Condition)
				b.heard(t)
				wire := v.Wire
				if protocol == printer.ZPL {
					wire = append([]byte("^XA^LL4^FO0,0^GFA,4,4,"+stride(m.Rows)+","), wire...)
				}
				b.write(t, wire)
				if m.Rows == nil {
					expect(t, b.heard(t), m.Answer)
					return
				}
				b.write(t, []byte(cut))
				tickets := b.sim.Tickets()
				if len(tickets) != 1 {
					t.Fatalf("%d tickets, want one", len(tickets))
				}
				compare(t, tickets[0].Image, m.Rows)
			})
		})
	}
}

func stride(rows []string) string {
	if len(rows) == 0 {
		return "1"
	}
	return strconv.Itoa(len(rows[0]) / 8)
}

func compare(t *testing.T, m image.Image, rows []string) {
	t.Helper()
	for y, row := range rows {
		for x, c := range row {
			if r, _, _, _ := m.At(x, y).RGBA(); (r < 0x8000) != (c == '1') {
				t.Errorf("dot %d, %d is black %v, want %c", x, y, r < 0x8000, c)
			}
		}
	}
}
