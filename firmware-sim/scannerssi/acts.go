package scannerssi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
)

// ErrGivenUp is returned by Scan when the host did not acknowledge a code.
var ErrGivenUp = errors.New("scannerssi: the host did not acknowledge")

// sounds are the beep codes of the guides.
var sounds = map[byte]string{
	0: "一声短高 / 1 short high", 1: "两声短高 / 2 short high", 2: "三声短高 / 3 short high", 3: "四声短高 / 4 short high",
	4: "五声短高 / 5 short high", 5: "一声短低 / 1 short low", 6: "两声短低 / 2 short low", 7: "三声短低 / 3 short low",
}

// lastSound is the highest beep code.
const lastSound = 0x1A

// names are what commands are called on the tape.
var names = map[byte]string{
	askRevision: "查询版本 REQUEST_REVISION", startSession: "开始读码 START_SESSION", stopSession: "停止读码 STOP_SESSION",
	beep: "蜂鸣 BEEP", ledOn: "亮灯 LED_ON", ledOff: "灭灯 LED_OFF", scanEnable: "启用 SCAN_ENABLE",
	scanDisable: "停用 SCAN_DISABLE", ack: "确认 CMD_ACK", nak: "否认 CMD_NAK",
}

// obey carries out one command.
func (s *Scanner) obey(ctx context.Context, codes *sync.WaitGroup, c command, wire []byte) error {
	s.add(func(n *Counts) { n.Commands++ })
	name := names[c.opcode]
	if name == "" {
		name = "不认识 unknown"
	}
	s.rec.Add("received", fmt.Sprintf("收到 %s", name), wire)
	if c.opcode == ack || c.opcode == nak {
		select {
		case s.acks <- c.opcode:
		default: // nobody waits for it
		}
		return nil
	}
	if reason, no := s.unwilling(); no {
		return s.say(nak, 0, []byte{reason})
	}
	if c.opcode == askRevision {
		return s.say(tellRevision, 0, []byte(revision))
	}
	code, read, reason := s.carryOut(c)
	if reason != 0 {
		return s.say(nak, 0, []byte{reason})
	}
	if err := s.say(ack, 0, nil); err != nil {
		return err
	}
	if read {
		codes.Go(func() { _ = s.transmit(ctx, code) })
	}
	return nil
}

// unwilling tells whether the command is to be refused, and why.
func (s *Scanner) unwilling() (reason byte, no bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse == 0 {
		return 0, false
	}
	s.refuse--
	return s.reason, true
}

// carryOut does what a command wants; a reason refuses it.
func (s *Scanner) carryOut(c command) (code string, read bool, reason byte) {
	switch c.opcode {
	case startSession, stopSession:
		code, read = s.head.Trigger(c.opcode == startSession)
	case scanEnable, scanDisable:
		code, read = s.head.Enable(c.opcode == scanEnable)
	case beep:
		if len(c.data) != 1 || c.data[0] > lastSound {
			return "", false, reasonDenied
		}
		how, ok := sounds[c.data[0]]
		if !ok {
			how = fmt.Sprintf("代码 %d / code %d", c.data[0], c.data[0])
		}
		s.head.Beep(how)
	case ledOn, ledOff:
	default:
		return "", false, reasonContext
	}
	return code, read, 0
}

// transmit sends a code and repeats each packet until the host acknowledges it.
func (s *Scanner) transmit(ctx context.Context, code string) error {
	s.sending <- struct{}{}
	defer func() { <-s.sending }()
	for _, p := range Packets(s.set.Type, s.set.AIM+code) {
		if err := s.deliver(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// deliver sends one packet, and sends it again where it is not acknowledged.
func (s *Scanner) deliver(ctx context.Context, p []byte) error {
	select {
	case <-s.acks: // left over from before
	default:
	}
	s.add(func(n *Counts) { n.Sent++ })
	for try := range tries {
		if try == 1 {
			p = marked(p)
		}
		if try > 0 {
			s.add(func(n *Counts) { n.Repeated++ })
		}
		if err := s.write(p, fmt.Sprintf("发送条码数据包 %d 字节 / DECODE_DATA of %d bytes", len(p), len(p))); err != nil {
			return err
		}
		patience := time.NewTimer(s.response)
		select {
		case opcode := <-s.acks:
			patience.Stop()
			if opcode == ack {
				return nil
			}
		case <-patience.C:
		case <-ctx.Done():
			patience.Stop()
			return ctx.Err()
		}
	}
	s.add(func(n *Counts) { n.Failed++ })
	s.head.Beep("四声低音：传输错误 / 4 low: transmission error")
	return ErrGivenUp
}

func (s *Scanner) say(opcode, status byte, data []byte) error {
	return s.write(Packet(opcode, status, data), fmt.Sprintf("发送 %s", sayNames[opcode]))
}

var sayNames = map[byte]string{ack: "确认 CMD_ACK", nak: "否认 CMD_NAK", tellRevision: "版本 REPLY_REVISION"}

func (s *Scanner) write(wire []byte, text string) error {
	s.mu.Lock()
	line := s.line
	s.mu.Unlock()
	if line == nil {
		return board.ErrUnplugged
	}
	if _, err := line.Write(wire); err != nil {
		return fmt.Errorf("scannerssi: %w", err)
	}
	s.rec.Add("sent", text, wire)
	return nil
}
