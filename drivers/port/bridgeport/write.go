package bridgeport

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"yipiao/drivers/port"
)

// Write implements port.Port. It returns when the bridge's own port has taken everything: of a HID line b is one
// report. At the deadline it asks how much was taken; where no answer comes the port is gone.
func (p *Port) Write(b []byte) (int, error) {
	expired := p.writeBy.Wait()
	if err := p.stopped("write", expired); err != nil {
		return 0, err
	}
	if p.config.Line == lineHID && len(b) > chunk {
		return 0, p.error("write", fmt.Errorf("%d bytes are no report", len(b)))
	}
	w := p.begin(len(b))
	defer p.finish()
	var next []byte // a frame that is to go out; nil for none
	for {
		n, ended := p.progress(w)
		switch {
		case ended != nil:
			return n, p.error("write", ended.error(p.config))
		case n == len(b):
			return n, nil
		}
		if next == nil {
			next = w.piece(b, n)
		}
		out := p.link.out
		if next == nil {
			out = nil
		}
		select {
		case out <- next:
			w.sent, next = w.sent+len(next)-headSize-numberSize, nil
		case <-w.news:
		case <-p.link.done:
			return p.broken(w)
		case <-expired:
			return p.stop(w)
		}
	}
}

// piece is the next frame of a write of which done bytes are written; nil where there is nothing to send yet.
func (w *writing) piece(b []byte, done int) []byte {
	if w.sent == len(b) || w.sent-done >= window {
		return nil
	}
	return frame(kindWrite, number(w.number), b[w.sent:min(len(b), w.sent+chunk)])
}

func (p *Port) begin(size int) *writing {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.write = &writing{number: p.last, size: size, news: make(chan struct{}, 1)}
	return p.write
}

func (p *Port) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write = nil
}

func (p *Port) progress(w *writing) (int, *trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.done, w.ended
}

// broken is a Write whose link has ended.
func (p *Port) broken(w *writing) (int, error) {
	n, _ := p.progress(w)
	if n == w.size {
		return n, nil
	}
	if err := p.stopped("write", nil); err != nil {
		return n, err
	}
	return n, p.error("write", p.link.err)
}

// stop ends a Write at its deadline. What the bridge has and has not written yet it will not write any more, so
// that the count is right.
func (p *Port) stop(w *writing) (int, error) {
	bound := time.NewTimer(stopBound)
	defer bound.Stop()
	out, f := p.link.out, frame(kindStop, number(w.number))
	for {
		switch n, ended := p.progress(w); {
		case n == w.size:
			return n, nil
		case ended != nil && ended.Code != codeStopped:
			return n, p.error("write", ended.error(p.config))
		case ended != nil:
			return n, p.error("write", os.ErrDeadlineExceeded)
		}
		select {
		case out <- f:
			out = nil
		case <-w.news:
		case <-p.link.done:
			return p.broken(w)
		case <-bound.C:
			p.link.fail(fmt.Errorf("%w: the bridge does not say how much it wrote", port.ErrGone))
		}
	}
}

// written takes the bridge's word of the Write under way; one of an earlier Write is of no use any more.
func (p *Port) written(payload []byte) error {
	which, rest, err := split(payload)
	if err != nil {
		return err
	}
	n, rest, err := split(rest)
	if err != nil {
		return err
	}
	var ended *trouble
	if len(rest) > 0 {
		ended = new(trouble)
		if err := json.Unmarshal(rest, ended); err != nil {
			return errFrame
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.write
	if w == nil || w.number != which {
		return nil
	}
	w.done, w.ended = min(int(n), w.size), ended
	signal(w.news)
	return nil
}
