// Package scannerhid is a simulated USB scanner in the mode "HID POS": it sends each code as input reports of
// 64 bytes and, where it is a Honeywell, obeys output reports.
//
// It knows the report layout, and was written from the tables of the usage page and the maker and not from the
// driver. It must not know what a code means, or USB below reports.
package scannerhid

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/tape"
)

// room is how many bytes of a code fit into one report.
const room = 56

// revision is what a Honeywell tells about itself.
const revision = "Product Name: Simulated 1900\r\nBoot Revision: : 1\r\nSoftware Part Number: SIM00000000\r\n" +
	"Software Revision: $ProjectRevision: 16345 \r\nSerial Number: SIM0000001\r\nSupported IF: Standard\r\n"

// Settings are how a scanner is set up.
type Settings struct {
	AIM       string        `json:"aim"`       // AIM identifier of each code; "" is "]Q1"
	Honeywell bool          `json:"honeywell"` // obeys Honeywell's output reports
	Mode      scanhead.Mode `json:"mode"`      // what makes it read
}

// Reports is how a scanner sends data under an AIM identifier and a maker's code.
func Reports(aim, data string, vendor byte) [][]byte {
	var all [][]byte
	for first := true; first || len(data) > 0; first = false {
		n := min(len(data), room)
		r := make([]byte, 64)
		r[0] = 0x02
		r[1] = byte(n)
		copy(r[2:5], aim)
		copy(r[5:61], data[:n])
		r[61] = vendor
		if data = data[n:]; len(data) > 0 {
			r[63] = 1
		}
		all = append(all, r)
	}
	return all
}

// A Scanner is one simulated scanner.
type Scanner struct {
	set  Settings
	rec  tape.Recorder
	head *scanhead.Head

	sending chan struct{} // one slot: the reports of one code stay together. A mutex would stop the clock of a test

	mu    sync.Mutex // guards the fields below
	line  *board.Line
	sent  uint64
	gap   time.Duration
	stop  int // reports after which the next code breaks off; 0 = none
	heard uint64
}

var _ board.Device = (*Scanner)(nil)

// New makes a scanner.
func New(s Settings, rec tape.Recorder) (*Scanner, error) {
	if s.AIM == "" {
		s.AIM = "]Q1"
	}
	if len(s.AIM) != 3 || s.AIM[0] != ']' {
		return nil, fmt.Errorf("aim %q is not an AIM identifier such as ]Q1", s.AIM)
	}
	head, err := scanhead.New(s.Mode, rec)
	if err != nil {
		return nil, err
	}
	return &Scanner{set: s, rec: rec, head: head, sending: make(chan struct{}, 1)}, nil
}

// Serve implements board.Device.
func (s *Scanner) Serve(ctx context.Context, line *board.Line) error {
	s.plug(line)
	defer s.plug(nil)
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	buf := make([]byte, maxReport)
	for ctx.Err() == nil {
		n, err := line.Read(buf)
		if err == nil {
			err = s.obey(ctx, bytes.Clone(buf[:n]))
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("scannerhid: %w", err)
		}
	}
	return nil
}

func (s *Scanner) plug(line *board.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line
}

// obey carries out one output report.
func (s *Scanner) obey(ctx context.Context, report []byte) error {
	s.mu.Lock()
	s.heard++
	s.mu.Unlock()
	what, act := s.command(report)
	s.rec.Add("received", fmt.Sprintf("收到输出报告：%s / output report", what), report)
	return act(ctx)
}

// command finds what an output report wants.
func (s *Scanner) command(report []byte) (what string, act func(context.Context) error) {
	nothing := func(context.Context) error { return nil }
	if !s.set.Honeywell || len(report) < 5 || report[0] != 0xFD || report[2] != 0x16 {
		return "不认识 unknown", nothing
	}
	switch body := string(report[3:]); body {
	case "\x07\r":
		return "蜂鸣 beep", func(context.Context) error { s.head.Beep("短鸣 / short"); return nil }
	case "T\r":
		return "触发开 trigger on", func(ctx context.Context) error { return s.Pull(ctx, true) }
	case "U\r":
		return "触发关 trigger off", func(ctx context.Context) error { return s.Pull(ctx, false) }
	case "M\rREVINF.":
		return "查询版本 revision", s.tellRevision
	default:
		if len(body) > 2 && body[:2] == "M\r" {
			return "菜单 menu", func(ctx context.Context) error { return s.verdict(ctx, body[2:], "\x05") }
		}
	}
	return "不认识 unknown", nothing
}

// Pull pulls the scanner's own trigger, or lets it go. It blocks while a code that is read then is on the wire.
func (s *Scanner) Pull(ctx context.Context, on bool) error {
	if code, read := s.head.Trigger(on); read {
		return s.send(ctx, s.set.AIM, code, 0)
	}
	return nil
}

func (s *Scanner) tellRevision(ctx context.Context) error {
	if err := s.send(ctx, "]X0", revision, '?'); err != nil {
		return err
	}
	return s.verdict(ctx, "REVINF.", "\x06")
}

// verdict repeats a menu command with its status before the full stop.
func (s *Scanner) verdict(ctx context.Context, command, status string) error {
	n := len(command) - 1
	return s.send(ctx, "]Z6", command[:n]+status+command[n:], '6')
}

// Scan shows a code to the scanner. It blocks while its reports are on the wire; in trigger mode the code waits
// before the window.
func (s *Scanner) Scan(ctx context.Context, code string) error {
	if !s.head.Show(code) {
		return ctx.Err()
	}
	return s.send(ctx, s.set.AIM, code, 0)
}

// Raw sends bytes as they are, in reports of 64 bytes.
func (s *Scanner) Raw(ctx context.Context, wire []byte) error { return s.write(ctx, wire) }

// SetGap makes the scanner wait between the reports of a code.
func (s *Scanner) SetGap(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gap = d
}

// BreakOff lets the next code end after n reports.
func (s *Scanner) BreakOff(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = n
}

func (s *Scanner) send(ctx context.Context, aim, data string, vendor byte) error {
	s.sending <- struct{}{}
	defer func() { <-s.sending }()
	s.mu.Lock()
	gap, stop := s.gap, s.stop
	s.stop = 0
	s.mu.Unlock()
	for i, r := range Reports(aim, data, vendor) {
		if stop > 0 && i == stop {
			return nil
		}
		if i > 0 && gap > 0 {
			time.Sleep(gap)
		}
		if err := s.write(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scanner) write(ctx context.Context, wire []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	line := s.line
	s.mu.Unlock()
	if line == nil {
		return board.ErrUnplugged
	}
	if _, err := line.Write(wire); err != nil {
		return fmt.Errorf("scannerhid: %w", err)
	}
	s.mu.Lock()
	s.sent++
	s.mu.Unlock()
	s.rec.Add("sent", fmt.Sprintf("扫码器发送 %d 字节 / scanner sent %d bytes", len(wire), len(wire)), wire)
	return nil
}

// State is what a scanner shows.
type State struct {
	Head  scanhead.State `json:"head"`
	AIM   string         `json:"aim"`
	Sent  uint64         `json:"sent"`  // reports
	Heard uint64         `json:"heard"` // reports
}

// State reports what the scanner has done.
func (s *Scanner) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Head: s.head.State(), AIM: s.set.AIM, Sent: s.sent, Heard: s.heard}
}
