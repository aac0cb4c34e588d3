package tripod

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// Orders, manual attachment II. A frame is EB address order 00 and EB XOR address XOR order.
const (
	syncCode   = 0xEB
	frameSize  = 5
	leftOpen   = 0x40
	rightOpen  = 0x41
	poleDrop   = 0x42
	poleRise   = 0x43
	ban        = 0x4A
	allow      = 0x4B
	longestLag = 64 // bytes that may wait for the rest of a frame
)

// A Direction is a way through the tripod.
type Direction int

// Directions.
const (
	Left Direction = iota
	Right
)

var names = [...]struct{ zh, en string }{{"左向", "left"}, {"右向", "right"}}

// A Visitor is what the person in front of the tripod does once it opens.
type Visitor string

// Visitors.
const (
	Walk   Visitor = "walk"   // walks through after a moment
	Stay   Visitor = "stay"   // never does
	Manual Visitor = "manual" // waits for Pass
)

func (v Visitor) validate() error {
	switch v {
	case Walk, Stay, Manual:
		return nil
	}
	return fmt.Errorf("visitor %q is not one of walk, stay, manual", v)
}

// ErrClosed is returned by Pass while the tripod is locked.
var ErrClosed = errors.New("tripod: locked")

// Settings are how a tripod is built.
type Settings struct {
	Address *byte         // nil means 1
	Visitor Visitor       // "" means Walk
	Walk    time.Duration // from opening until the visitor turns the arm; 0 means 300 ms
	OpenFor time.Duration // how long it waits for somebody; 0 means 5 s
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// A Sim is one simulated tripod. It is safe for concurrent use.
type Sim struct {
	rec     tape.Recorder
	wake    chan struct{}
	address byte

	mu     sync.Mutex // guards the fields below; never held while waiting
	set    Settings
	open   [2]bool
	shutAt [2]time.Time
	walkAt [2]time.Time // the visitor turns the arm
	counts [2]uint32
	down   bool // the arm hangs: everybody passes
	banned bool
}

var _ board.Device = (*Sim)(nil)

// New makes a tripod.
func New(s Settings, rec tape.Recorder) (*Sim, error) {
	s.Visitor, s.Walk, s.OpenFor = orDefault(s.Visitor, Walk), orDefault(s.Walk, 300*time.Millisecond), orDefault(s.OpenFor, 5*time.Second)
	if err := s.Visitor.validate(); err != nil {
		return nil, err
	}
	m := &Sim{rec: rec, wake: make(chan struct{}, 1), set: s, address: 1}
	if s.Address != nil {
		m.address = *s.Address
	}
	return m, nil
}

// next finds the first intact frame in p, and how many bytes are done with.
func next(p []byte) (address, order byte, used int, ok bool) {
	for i := range p {
		if p[i] != syncCode {
			continue
		}
		if len(p)-i < frameSize {
			return 0, 0, i, false
		}
		f := p[i : i+frameSize]
		if f[3] == 0 && f[4] == f[0]^f[1]^f[2] {
			return f[1], f[2], i + frameSize, true
		}
	}
	return 0, 0, len(p), false
}

// obey is called under mu.
func (m *Sim) obey(now time.Time, order byte, wire []byte) {
	text := map[byte]string{
		leftOpen: "左向开闸 / open to the left", rightOpen: "右向开闸 / open to the right", poleDrop: "落杆 / arm drops", poleRise: "升杆 / arm rises",
		ban: "禁止通行 / passage forbidden", allow: "恢复通行 / passage allowed",
	}[order]
	if text == "" {
		return
	}
	m.rec.Add("order", text, wire)
	switch order {
	case leftOpen, rightOpen:
		if m.banned {
			return
		}
		d := Direction(order - leftOpen)
		m.open[d], m.shutAt[d] = true, now.Add(m.set.OpenFor)
		if m.set.Visitor == Walk {
			m.walkAt[d] = now.Add(m.set.Walk)
		}
	case poleDrop, poleRise:
		m.down = order == poleDrop
	case ban, allow:
		m.banned = order == ban
	}
}

func (m *Sim) shut(d Direction) {
	m.open[d], m.shutAt[d], m.walkAt[d] = false, time.Time{}, time.Time{}
}

// pass turns the arm once.
func (m *Sim) pass(d Direction) {
	m.shut(d)
	m.counts[d]++
	m.rec.Add("passed", fmt.Sprintf("通过，%s累计 %d / passed, %s total=%d", names[d].zh, m.counts[d], names[d].en, m.counts[d]), nil)
}

// upcoming is when something will happen by itself; zero if nothing will.
func (m *Sim) upcoming() (at time.Time) {
	for _, times := range [][2]time.Time{m.shutAt, m.walkAt} {
		for _, t := range times {
			if !t.IsZero() && (at.IsZero() || t.Before(at)) {
				at = t
			}
		}
	}
	return at
}

// advance lets everything happen that was due by now, in its order, and says what is next. It is called under mu.
func (m *Sim) advance(now time.Time) time.Time {
	for {
		at := m.upcoming()
		if at.IsZero() || at.After(now) {
			return at
		}
		for _, d := range []Direction{Left, Right} {
			switch {
			case m.walkAt[d].Equal(at):
				m.pass(d)
			case m.shutAt[d].Equal(at):
				m.rec.Add("lapsed", names[d].zh+"超时落锁 / locked again", nil)
				m.shut(d)
			}
		}
	}
}

// do runs fn after everything that was due has happened, and lets Run look again.
func (m *Sim) do(fn func(now time.Time) error) error {
	m.mu.Lock()
	now := time.Now()
	m.advance(now)
	err := fn(now)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return err
}

// Run is the tripod's life apart from its line, until ctx is done.
func (m *Sim) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m.mu.Lock()
		at := m.advance(time.Now())
		m.mu.Unlock()
		timer.Stop()
		if !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		select {
		case <-timer.C:
		case <-m.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// Serve implements board.Device: it obeys and never answers.
func (m *Sim) Serve(ctx context.Context, line *board.Line) error {
	stopped := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stopped()
	var pending []byte
	buf := make([]byte, 256)
	for {
		if err := line.SetReadDeadline(time.Time{}); err != nil {
			return fmt.Errorf("tripod: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, err := line.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !board.Quiet(err) {
			return fmt.Errorf("tripod: %w", err)
		}
		pending = m.take(append(pending, buf[:n]...))
	}
}

// take obeys the frames in p and returns what is left.
func (m *Sim) take(p []byte) []byte {
	for {
		address, order, used, ok := next(p)
		wire := p[:used]
		p = p[used:]
		if !ok {
			return p[max(0, len(p)-longestLag):]
		}
		if address == m.address {
			_ = m.do(func(now time.Time) error {
				m.obey(now, order, wire)
				return nil
			})
		}
	}
}

// Pass lets somebody through an open tripod, whatever the visitor does. The error is ErrClosed.
func (m *Sim) Pass(d Direction) error {
	return m.do(func(time.Time) error {
		if !m.open[d] && !m.down {
			return ErrClosed
		}
		m.pass(d)
		return nil
	})
}

// SetVisitor changes what the person in front of the tripod does; one who walks sets off at once if it is open. walk 0
// leaves the time as it is.
func (m *Sim) SetVisitor(v Visitor, walk time.Duration) error {
	if err := v.validate(); err != nil {
		return err
	}
	return m.do(func(now time.Time) error {
		m.set.Visitor, m.set.Walk = v, orDefault(walk, m.set.Walk)
		for d := range m.walkAt {
			m.walkAt[d] = time.Time{}
			if m.open[d] && v == Walk {
				m.walkAt[d] = now.Add(m.set.Walk)
			}
		}
		return nil
	})
}

// State is what a tripod shows to people; its line shows nothing.
type State struct {
	Visitor    Visitor `json:"visitor"`
	WalkMs     int64   `json:"walk_ms"`
	LeftOpen   bool    `json:"left_open"`
	RightOpen  bool    `json:"right_open"`
	LeftCount  uint32  `json:"left_count"`
	RightCount uint32  `json:"right_count"`
	ArmDown    bool    `json:"arm_down"`
	Forbidden  bool    `json:"forbidden"`
}

// State reports how the tripod is.
func (m *Sim) State() (s State) {
	_ = m.do(func(time.Time) error {
		s = State{
			Visitor: m.set.Visitor, WalkMs: m.set.Walk.Milliseconds(), LeftOpen: m.open[Left], RightOpen: m.open[Right],
			LeftCount: m.counts[Left], RightCount: m.counts[Right], ArmDown: m.down, Forbidden: m.banned,
		}
		return nil
	})
	return s
}
