package board

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// A Multidrop is several devices on one line, as on an RS-485 bus: each hears the station and the other devices, and
// what any of them sends goes to the station. Each has faults of its own besides the line's.
type Multidrop struct {
	devices []Device

	mu     sync.Mutex // guards the fields below
	faults []Faults
	drops  []*Line // while a line is served
}

var _ Device = (*Multidrop)(nil)

// NewMultidrop puts devices on one line.
func NewMultidrop(devices ...Device) *Multidrop {
	return &Multidrop{devices: devices, faults: make([]Faults, len(devices))}
}

// SetFaults replaces the faults of one device, from 0; they outlast the plug.
func (m *Multidrop) SetFaults(device int, f Faults) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[device] = f
	if device < len(m.drops) {
		m.drops[device].SetFaults(f)
	}
}

// A spoken is what one device has put on the line.
type spoken struct {
	from int
	wire []byte
}

// Serve implements Device. It ends when the line has.
func (m *Multidrop) Serve(ctx context.Context, line *Line) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	said := make(chan spoken)
	var all sync.WaitGroup
	hubs := m.connect()
	for i, hub := range hubs {
		all.Go(func() { _ = m.devices[i].Serve(ctx, m.drops[i]) })
		all.Go(func() { hear(ctx, i, hub, said) })
	}
	all.Go(func() { // one goroutine sends: a wire carries one frame at a time
		for s := range orDone(ctx, said) {
			tell(hubs, s)
			_, _ = line.Write(s.wire) // a line that fails here fails the next Read
		}
	})
	err := m.listen(ctx, line, hubs)
	cancel()
	for _, hub := range hubs {
		_ = hub.Close()
	}
	all.Wait()
	return err
}

func (m *Multidrop) connect() []*PipeEnd {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drops = nil
	var hubs []*PipeEnd
	for i := range m.devices {
		hub, drop := Pipe(ErrUnplugged)
		l := NewLine(drop, 0) // the line as a whole takes the time that bytes take
		l.SetFaults(m.faults[i])
		m.drops, hubs = append(m.drops, l), append(hubs, hub)
	}
	return hubs
}

// listen hands what the station sends to every device.
func (m *Multidrop) listen(ctx context.Context, line *Line, hubs []*PipeEnd) error {
	buf := make([]byte, 512)
	if err := line.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		if ctx.Err() != nil {
			return nil
		}
		n, err := line.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		tell(hubs, spoken{-1, buf[:n]})
	}
}

// tell lets everybody hear it who has not said it. Who does not listen loses it.
func tell(hubs []*PipeEnd, s spoken) {
	for i, hub := range hubs {
		if i != s.from {
			_ = hub.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = hub.Write(s.wire)
		}
	}
}

// hear passes on what one device says.
func hear(ctx context.Context, i int, hub *PipeEnd, said chan<- spoken) {
	buf := make([]byte, 512)
	for {
		n, err := hub.Read(buf)
		if err != nil {
			return
		}
		select {
		case said <- spoken{i, bytes.Clone(buf[:n])}:
		case <-ctx.Done():
			return
		}
	}
}

// orDone is the elements of c until ctx is done.
func orDone[E any](ctx context.Context, c <-chan E) func(yield func(E) bool) {
	return func(yield func(E) bool) {
		for {
			select {
			case e := <-c:
				if !yield(e) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
