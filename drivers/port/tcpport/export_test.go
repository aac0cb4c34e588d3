package tcpport

import "golang.org/x/sys/unix"

// Option reads a socket option of a port.
func Option(p *Port, level, name int) (value int, err error) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }); cerr != nil {
		return 0, cerr
	}
	return value, err
}
