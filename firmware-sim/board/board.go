package board

import (
	"context"
	"fmt"
	"sync"

	"yipiao/firmware-sim/tape"
)

// A Device is what is soldered to a board: it answers on a line until that ends.
type Device interface {
	// Serve blocks until ctx is done or the line has ended, and does not close the line.
	Serve(ctx context.Context, line *Line) error
}

// A Board is a device's plug, which can be pulled and put back: a pseudo-terminal below a stable name, a TCP
// address, or a line inside the process.
type Board struct {
	place place
	baud  int
	rec   tape.Recorder
	noise noises
	tap   Tap

	mu     sync.Mutex // guards the fields below, and calls of place
	pulled bool
	conn   socket
	line   *Line
	faults Faults
	turned chan struct{} // closed when the plug is pulled or put back
}

// New makes a board whose line appears as a symbolic link once it runs. baud paces the bytes; 0 does not.
func New(link string, baud int, rec tape.Recorder) *Board {
	return newBoard(linkPlace{link}, baud, rec)
}

// NewTCP makes a board whose line is a TCP address: it serves one host at a time, and refuses all while it is
// unplugged. Port 0 takes any, and keeps it over unplugging.
func NewTCP(addr string, baud int, rec tape.Recorder) *Board {
	return newBoard(&tcpPlace{addr: addr}, baud, rec)
}

// NewInside makes a board whose line hosts in this process open with Connect. pipe makes the two ends of a cable.
func NewInside(pipe func(gone error) (host, device Conn), baud int, rec tape.Recorder) *Board {
	return newBoard(&insidePlace{pipe}, baud, rec)
}

func newBoard(p place, baud int, rec tape.Recorder) *Board {
	return &Board{place: p, baud: baud, rec: rec, noise: newNoises(0), turned: make(chan struct{})}
}

// Seed makes the random faults repeatable; they go on from line to line. It must come before Run.
func (b *Board) Seed(seed uint64) { b.noise = newNoises(seed) }

// SetTap lets somebody see every message. It must come before Run.
func (b *Board) SetTap(t Tap) { b.tap = t }

// Run keeps the device on a line while it is plugged in, until ctx is done. The line is then gone.
func (b *Board) Run(ctx context.Context, dev Device) error {
	stop := context.AfterFunc(ctx, b.hangUp)
	defer stop()
	for ctx.Err() == nil {
		line, turned, err := b.connect()
		if err != nil {
			return err
		}
		if line != nil {
			if ctx.Err() == nil { // hangUp may have come before connect
				err = dev.Serve(ctx, line)
			}
			b.hangUp()
			if err != nil && ctx.Err() == nil && !isClosed(turned) {
				return fmt.Errorf("line %s: %w", b.State().Path, err)
			}
		}
		select {
		case <-turned:
		case <-ctx.Done():
		}
	}
	return nil
}

// connect makes a new line, unless the plug is pulled.
func (b *Board) connect() (line *Line, turned chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pulled {
		return nil, b.turned, nil
	}
	conn, err := b.place.open()
	if err != nil {
		return nil, nil, err
	}
	b.conn, b.line = conn, newLine(conn, b.baud, b.noise, b.tap)
	b.line.SetFaults(b.faults)
	return b.line, b.turned, nil
}

// hangUp takes the line away.
func (b *Board) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == nil {
		return
	}
	_ = b.conn.Close()
	b.faults = b.line.Faults()
	b.conn, b.line = nil, nil
}

// Unplug pulls the plug: the station sees the device vanish, and its name too.
func (b *Board) Unplug() { b.turn(true) }

// Replug puts the plug back: a new line appears below the old name.
func (b *Board) Replug() { b.turn(false) }

func (b *Board) turn(pulled bool) {
	b.mu.Lock()
	same := b.pulled == pulled
	b.pulled = pulled
	if !same {
		close(b.turned)
		b.turned = make(chan struct{})
	}
	b.mu.Unlock()
	switch {
	case same:
	case pulled:
		b.hangUp()
		b.rec.Add("unplugged", "已拔出 / unplugged", nil)
	default:
		b.rec.Add("replugged", "已插回 / replugged", nil)
	}
}

// State is how a board's line is at the moment.
type State struct {
	Path    string `json:"path"`    // the name or address where the station finds it; "" inside the process
	Plugged bool   `json:"plugged"` // the plug is in
	Present bool   `json:"present"` // the line is there, and the device listens
	Open    bool   `json:"open"`    // a station has it open
	Faults  Faults `json:"faults"`
}

// State reports how the line is.
func (b *Board) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := State{Path: b.place.path(), Plugged: !b.pulled, Faults: b.faults}
	if b.conn != nil {
		s.Present, s.Open = b.line.served.Load(), b.conn.opened()
		s.Faults = b.line.Faults()
	}
	return s
}

// SetFaults replaces the line's faults; they outlast the plug.
func (b *Board) SetFaults(f Faults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = f
	if b.line != nil {
		b.line.SetFaults(f)
	}
}
