package printer_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/oned"
	"github.com/makiuchi-d/gozxing/qrcode"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

// A bench is a printer on a line in a bubble.
type bench struct {
	sim    *printer.Printer
	host   *board.PipeEnd
	tape   *tape.Tape
	cancel context.CancelFunc
	ended  chan error
}

func plugIn(t *testing.T, s printer.Settings) *bench {
	t.Helper()
	tp := tape.New(1000)
	sim, err := printer.New(s, tp.Recorder("printer-1"))
	if err != nil {
		t.Fatal(err)
	}
	host, device := board.Pipe(board.ErrUnplugged)
	ctx, cancel := context.WithCancel(context.Background())
	b := &bench{sim: sim, host: host, tape: tp, cancel: cancel, ended: make(chan error, 2)}
	go func() { b.ended <- sim.Run(ctx) }()
	go func() { b.ended <- sim.Serve(ctx, board.NewLine(device, 0)) }()
	synctest.Wait()
	return b
}

func (b *bench) close(t *testing.T) {
	t.Helper()
	b.cancel()
	for range 2 {
		if err := <-b.ended; err != nil {
			t.Errorf("simulator: %v", err)
		}
	}
}

// reads decodes the code on a ticket.
func reads(t *testing.T, m image.Image, r gozxing.Reader) string {
	t.Helper()
	bits, err := gozxing.NewBinaryBitmapFromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Decode(bits, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		t.Errorf("%T: %v", r, err)
		return ""
	}
	return got.GetText()
}

// TestOwnCodesAndLetters: each language's own commands for text, QR and bar codes, as other programs use
// them; the bytes are of the makers' manuals (devices.md 5.6).
func TestOwnCodesAndLetters(t *testing.T) {
	const data = "YP1:ABCDEFGH234567"
	store := append([]byte{0x1D, '(', 'k', byte(len(data) + 3), 0, 0x31, 0x50, 0x30}, data...)
	escpos := append([]byte("\x1b@\xce\xf7\xba\xfe\xbe\xb0\xc7\xf8 A\n"), // 西湖景区
		0x1D, '(', 'k', 4, 0, 0x31, 0x41, 0x32, 0, 0x1D, '(', 'k', 3, 0, 0x31, 0x43, 6, 0x1D, '(', 'k', 3, 0, 0x31, 0x45, 0x31)
	escpos = append(append(escpos, store...), 0x1D, '(', 'k', 3, 0, 0x31, 0x51, 0x30, 0x1D, 'V', 66, 0)
	cases := []struct {
		model, wire string
		bar         bool
	}{
		{printer.ESCPOS, string(escpos), false},
		{printer.FGL, "<NR><RC10,10><F3><HW1,1>西湖景区\r<RC60,40><QR6>{" + data + "}<p>", false},
		{printer.ZPL, "^XA^CI28^PW576^LL400^FO20,20^A0N,30^FD西湖景区^FS^FO40,80^BQN,2,6^FDMA," + data +
			"^FS^FO40,300^BY2^BCN,60^FD261127012345^FS^FO0,390^GB500,4,4^FS^PQ1^XZ", true},
		{printer.TSPL, "SIZE 72 mm,60 mm\r\nCLS\r\nTEXT 20,20,\"TSS24.BF2\",0,1,1,\"西湖景区\"\r\nQRCODE 40,80,M,6,A,0,\"" + data +
			"\"\r\nBARCODE 40,300,\"128\",60,0,0,2,2,\"261127012345\"\r\nBAR 0,400,500,4\r\nPRINT 1,1\r\n", true},
	}
	for _, c := range cases {
		t.Run(c.model, func(t *testing.T) {
			inBubble(t, printer.Settings{Model: c.model}, func(t *testing.T, b *bench) {
				b.write(t, []byte(c.wire))
				tickets := b.sim.Tickets()
				if len(tickets) != 1 || !tickets[0].Cut {
					t.Fatalf("%d tickets", len(tickets))
				}
				if got := reads(t, tickets[0].Image, qrcode.NewQRCodeReader()); got != data {
					t.Errorf("QR code reads %q", got)
				}
				if c.bar {
					if got := reads(t, tickets[0].Image, oned.NewCode128Reader()); got != "261127012345" {
						t.Errorf("Code 128 reads %q", got)
					}
				}
				letters := 0
				for y := range 50 {
					for x := range 300 {
						if tickets[0].Image.GrayAt(x, y).Y == 0 {
							letters++
						}
					}
				}
				if letters < 300 {
					t.Errorf("%d black dots where the letters are", letters)
				}
			})
		})
	}
}

// TestTapeShowsEveryMessage, SHOW-8.2.3.
func TestTapeShowsEveryMessage(t *testing.T) {
	inBubble(t, printer.Settings{}, func(t *testing.T, b *bench) {
		b.write(t, []byte{0x1B, '@', 0x10, 4, 1, 0x1D, 'v', '0', 0, 1, 0, 1, 0, 0xFF, 0x1D, 'V', 66, 0, 0x1D, '(', 'H', 6, 0, 0x30, 0x30, 'Y', '0', '0', '1'})
		var texts []string
		for _, e := range b.tape.Since(context.Background(), "printer-1", 0) {
			texts = append(texts, e.Text)
		}
		all := strings.Join(texts, "\n")
		for _, want := range []string{"初始化", "实时状态 1", "光栅 8 × 1", "切纸", "出票第 1 张", "进程号 Y001"} {
			if !strings.Contains(all, want) {
				t.Errorf("the tape lacks %q:\n%s", want, all)
			}
		}
	})
}

func TestPaperEndsAndPowerFails(t *testing.T) {
	inBubble(t, printer.Settings{RowUs: 1000}, func(t *testing.T, b *bench) {
		b.sim.PaperOutAfter(3)
		band := append([]byte{0x1D, 'v', '0', 0, 1, 0, 10, 0}, bytes.Repeat([]byte{0xFF}, 10)...)
		b.write(t, band)
		if s := b.sim.State(); s.Rows != 4 || !s.Condition.PaperOut {
			t.Fatalf("%+v, want it to stop after 4 rows", s)
		}
		b.sim.SetPaper(false, false)
		<-time.After(time.Second)
		if s := b.sim.State(); s.Rows != 10 {
			t.Errorf("%+v, want the rest with new paper", s)
		}
		b.sim.PowerOffAfter(3)
		b.write(t, band)
		b.write(t, []byte{0x10, 4, 1})
		if got := b.heard(t); len(got) != 0 {
			t.Errorf("% x without power", got)
		}
		b.sim.PowerOn()
		b.write(t, []byte{0x10, 4, 1})
		expect(t, b.heard(t), "16")
		b.sim.Tear()
		if tickets := b.sim.Tickets(); len(tickets) != 1 || tickets[0].Cut || tickets[0].Image.Bounds().Dy() != 14 {
			t.Errorf("%d tickets, want one torn off of 14 rows", len(tickets))
		}
	})
}

func TestTicketsAreStored(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, printer.Settings{Dir: dir}, func(t *testing.T, b *bench) {
		b.write(t, []byte{'A', '\n', 0x1D, 'V', 0})
	})
	f, err := os.Open(filepath.Join(dir, "ticket-0001.png"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(f)
	if err != nil || m.Bounds().Dx() != 576 {
		t.Errorf("%v, %v", m, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for _, s := range []printer.Settings{{Model: "laser"}, {Dots: 1}, {RowUs: -1}, {Buffer: 1}} {
		if _, err := printer.New(s, tape.Recorder{}); err == nil {
			t.Errorf("%+v: nil, want an error", s)
		}
	}
}

// FuzzPrinters: whatever a host sends, a printer neither fails nor hangs.
func FuzzPrinters(f *testing.F) {
	f.Add([]byte("\x1b@A\n\x1dV\x00"), uint8(0))
	f.Add([]byte("<RC1,1><G2>ab<QR3>{x}<p>"), uint8(1))
	f.Add([]byte("^XA^FO1,1^GFA,4,4,1,hF:,^FS^XZ"), uint8(2))
	f.Add([]byte("SIZE 10 mm,10 mm\r\nBITMAP 0,0,1,1,0,\x00\r\nPRINT 1\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, wire []byte, model uint8) {
		s := printer.Settings{Model: []string{printer.ESCPOS, printer.FGL, printer.ZPL, printer.TSPL}[model%4]}
		inBubble(t, s, func(t *testing.T, b *bench) {
			if _, err := b.host.Write(wire[:min(len(wire), 10000)]); err != nil {
				t.Fatal(err)
			}
			b.heard(t)
		})
	})
}
