package idreader

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// breakOff is the silence after which a request that has begun is forgotten.
const breakOff = 100 * time.Millisecond

// moduleNumber is what the security module calls itself unless set otherwise.
const moduleNumber = "050001000525350187d61200b1cb7400"

// Settings are how a reader is set up.
type Settings struct {
	ReadMs       int    `json:"read_ms"`       // how long reading a card takes; 0 is 600
	FindsAgain   bool   `json:"finds_again"`   // this model finds a card again that is selected already
	ModuleStatus byte   `json:"module_status"` // what the module answers to its commands; 0 is well
	Module       string `json:"module"`        // its number, 16 bytes in hexadecimal; "" is one made up
}

// A Reader is one simulated reader. It is safe for concurrent use.
type Reader struct {
	rec    tape.Recorder
	module []byte

	mu    sync.Mutex // guards the fields below
	set   Settings
	card  *laid
	reads uint64
}

var _ board.Device = (*Reader)(nil)

// New makes a reader with nothing on it.
func New(s Settings, rec tape.Recorder) (*Reader, error) {
	if s.Module == "" {
		s.Module = moduleNumber
	}
	module, err := hex.DecodeString(s.Module)
	if err != nil || len(module) != 16 {
		return nil, fmt.Errorf("module %q, want 16 bytes in hexadecimal", s.Module)
	}
	if s.ReadMs < 0 || s.ReadMs > 60000 {
		return nil, fmt.Errorf("read_ms %d, want 0 to 60000", s.ReadMs)
	}
	if s.ReadMs == 0 {
		s.ReadMs = 600
	}
	return &Reader{set: s, rec: rec, module: module}, nil
}

// Lay lays a card on the reader, in place of one that lies there. It is lifted again after stay; 0 leaves it.
func (r *Reader) Lay(c Card, stay time.Duration) error {
	if _, err := c.Text(); err != nil {
		return err
	}
	l := &laid{card: c}
	if stay > 0 {
		l.until = time.Now().Add(stay)
	}
	r.mu.Lock()
	r.card = l
	r.mu.Unlock()
	r.rec.Add("laid", fmt.Sprintf("放上证件 %s %s / card laid: %s", c.Name, c.Number, c.Kind), nil)
	return nil
}

// Lift takes the card away.
func (r *Reader) Lift() {
	r.mu.Lock()
	r.card = nil
	r.mu.Unlock()
	r.rec.Add("lifted", "取走证件 / card lifted", nil)
}

// SetModuleStatus makes the security module fail; 0 is well.
func (r *Reader) SetModuleStatus(status byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set.ModuleStatus = status
}

// State is what a reader shows.
type State struct {
	Card     string `json:"card,omitempty"` // kind of the card that lies there
	Selected bool   `json:"selected"`
	Reads    uint64 `json:"reads"` // cards read to the end
}

// State reports what lies on the reader.
func (r *Reader) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := State{Reads: r.reads}
	if l := r.there(); l != nil {
		s.Card, s.Selected = l.card.Kind, l.selected
	}
	return s
}

// there is the card that lies there at the moment; r.mu is held.
func (r *Reader) there() *laid {
	if r.card != nil && !r.card.until.IsZero() && !time.Now().Before(r.card.until) {
		r.card = nil
		r.rec.Add("lifted", "证件已取走 / card lifted", nil)
	}
	return r.card
}

// Serve implements board.Device.
func (r *Reader) Serve(ctx context.Context, line *board.Line) error {
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	var pending []byte
	buf := make([]byte, 512)
	for {
		var until time.Time
		if len(pending) > 0 {
			until = time.Now().Add(breakOff)
		}
		if err := line.SetReadDeadline(until); err != nil {
			return fmt.Errorf("idreader: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, err := line.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case board.Quiet(err):
			pending = nil
		case err != nil:
			return fmt.Errorf("idreader: %w", err)
		}
		pending = r.answerAll(ctx, append(pending, buf[:n]...), line)
	}
}

// answerAll carries out the complete requests at the front of p and returns what is left.
func (r *Reader) answerAll(ctx context.Context, p []byte, line *board.Line) []byte {
	for {
		req, rest, ok := next(p)
		if !ok {
			return rest
		}
		p = rest
		r.rec.Add("received", "收到 "+naming(req), req.wire)
		out, said := r.answer(ctx, req)
		if ctx.Err() != nil {
			return nil
		}
		r.rec.Add("sent", "应答 "+said, out)
		_, _ = line.Write(out) // a line that fails here fails the next Read
	}
}

// naming says what a request asks for.
func naming(q request) string {
	if q.status != 0 {
		return "损坏的请求 / damaged request"
	}
	switch [2]byte{q.cmd, q.para} {
	case [2]byte{0x11, 0xFF}:
		return "查询安全模块状态 / module status"
	case [2]byte{0x12, 0xFF}:
		return "读安全模块编号 / module number"
	case [2]byte{0x20, 1}:
		return "寻卡 / find card"
	case [2]byte{0x20, 2}:
		return "选卡 / select card"
	case [2]byte{0x30, 1}:
		return "读卡 / read card"
	}
	return fmt.Sprintf("命令 %02X %02X / command", q.cmd, q.para)
}
