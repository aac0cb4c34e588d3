package board

import (
	"errors"
	"fmt"
)

// ErrTaken is returned by Connect when too many hosts wait for the line already.
var ErrTaken = errors.New("board: the line is taken")

// A socket is the device's end of a line while the plug is in.
type socket interface {
	Conn
	opened() bool // a host has the far end open
}

// A place is where a line appears while the plug is in. A Board calls it under its lock.
type place interface {
	open() (socket, error)
	path() string // how a host finds it
}

// A linkPlace is a pseudo-terminal below a stable name.
type linkPlace struct{ link string }

func (p linkPlace) path() string { return p.link }

func (p linkPlace) open() (socket, error) {
	conn, err := openPTY()
	if err != nil {
		return nil, err
	}
	if err := putLink(p.link, conn.slave); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	conn.link = p.link
	return conn, nil
}

// A tcpPlace is an address. It keeps the port that it was given where it asked for any.
type tcpPlace struct{ addr string }

func (p *tcpPlace) path() string { return p.addr }

func (p *tcpPlace) open() (socket, error) {
	h, addr, err := listen(p.addr)
	if err != nil {
		return nil, err
	}
	p.addr = addr
	return h, nil
}

// An insidePlace is within the process.
type insidePlace struct {
	pipe func(gone error) (host, device Conn)
}

func (p *insidePlace) path() string { return "" }

func (p *insidePlace) open() (socket, error) { return newHub(), nil }

// Connect opens the line of a board inside the process, as a host does: its end is closed with Close, and says
// gone after the plug was pulled. The error is ErrUnplugged, ErrTaken, or says that the board is not inside.
func (b *Board) Connect(gone error) (Conn, error) {
	p, ok := b.place.(*insidePlace)
	if !ok {
		return nil, fmt.Errorf("board: the line is at %s, not inside the process", b.State().Path)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.conn.(*hub)
	if !ok {
		return nil, ErrUnplugged
	}
	host, device := p.pipe(gone)
	if !h.arrive(device) {
		return nil, errors.Join(ErrTaken, host.Close())
	}
	return host, nil
}
