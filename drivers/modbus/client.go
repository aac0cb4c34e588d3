package modbus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"yipiao/drivers/port"
)

// Timing of the line.
const (
	// DefaultGap is 3.5 characters at 9600 baud, the silence that separates frames (Modbus over
	// serial line V1.02 §2.5.1.1); at 19200 and above 1.75 ms are enough.
	DefaultGap = 4 * time.Millisecond
	// DefaultTimeout covers devices that answer within 100 to 500 ms.
	DefaultTimeout = 500 * time.Millisecond
	// interByte ends an answer that broke off. It is far longer than the 1.5 characters of the
	// standard: USB adapters hand bytes over in lumps.
	interByte = 50 * time.Millisecond
	// lateGrace is the silence asked for after an answer that did not come in time: it may be on its
	// way, and would be taken for the answer to the next request.
	lateGrace = 50 * time.Millisecond
	// noise is the length up to which bytes that cannot be an answer are taken for a glitch of the
	// line, with the answer still to come; it is the shortest answer.
	noise = 5
	// glance is the shortest wait for bytes. A read whose deadline has passed would not look at all.
	glance = 500 * time.Microsecond
	// longest is more than any frame (256 bytes) and some noise.
	longest = 512
)

// Options of a Client. The zero value uses the defaults above.
type Options struct {
	Gap     time.Duration
	Timeout time.Duration
	// Observe, where set, is told of every exchange: nil for a good frame (an exception is one),
	// otherwise what went wrong, repeated or not.
	Observe func(error)
}

// A Client is the master of its device. Its line is its own, or a port.Turns, and then it takes a turn for each
// exchange. It is for one goroutine.
type Client struct {
	p    port.Port
	line port.Turns // nil for a line of its own
	opt  Options
	last time.Time // when the line was last heard
	owed bool      // the last request has not been answered
	mute bool      // nor had it when it was repeated
	buf  [longest]byte
}

// NewClient makes a client for an open port, which it never closes.
func NewClient(p port.Port, opt Options) *Client {
	if opt.Gap <= 0 {
		opt.Gap = DefaultGap
	}
	if opt.Timeout <= 0 {
		opt.Timeout = DefaultTimeout
	}
	if opt.Observe == nil {
		opt.Observe = func(error) {}
	}
	line, _ := p.(port.Turns)
	return &Client{p: p, line: line, opt: opt}
}

// Do sends a request and returns the answer. It blocks until that is there, for at most about twice
// the time-out, or until the port fails or a deadline set by whoever watches ctx wakes it.
//
// After ErrTimeout or ErrBadFrame a read or a Repeatable write has been tried twice. Any other write
// was sent once and may or may not have been carried out: the caller has to find out. On a shared line a
// device that has not answered lately is asked once: it costs the others half a second. An Exception is final. Other errors are the port's, or ctx.Err().
func (c *Client) Do(ctx context.Context, req Request) (Response, error) {
	frame, err := AppendRequest(nil, req)
	if err != nil {
		return Response{}, err
	}
	patient := c.line == nil || !c.mute
	resp, err := c.exchange(ctx, frame, req)
	if lineError(err) && (req.Reads() || req.Repeatable) && patient {
		resp, err = c.exchange(ctx, frame, req)
	}
	c.mute = errors.Is(err, ErrTimeout)
	if err == nil && resp.Exception != 0 {
		return resp, fmt.Errorf("function %d at %#04x: %w", req.Func, req.Addr, resp.Exception)
	}
	return resp, err
}

func (c *Client) exchange(ctx context.Context, frame []byte, req Request) (Response, error) {
	resp, err := c.transact(ctx, frame, req)
	if err == nil || lineError(err) {
		c.opt.Observe(err)
	}
	return resp, err
}

func (c *Client) transact(ctx context.Context, frame []byte, req Request) (Response, error) {
	done, err := c.turn(ctx, req.Urgent)
	if err != nil {
		return Response{}, err
	}
	defer done()
	if err := c.quiet(ctx); err != nil {
		return Response{}, err
	}
	if req.Still != nil {
		if err := req.Still(); err != nil {
			return Response{}, err
		}
	}
	if err := c.p.SetWriteDeadline(time.Now().Add(c.opt.Timeout)); err != nil {
		return Response{}, err
	}
	if err := ctx.Err(); err != nil {
		return Response{}, err
	}
	if _, err := c.p.Write(frame); err != nil {
		return Response{}, c.lineFailure(ctx, "send", err)
	}
	resp, err := c.answer(ctx, req)
	c.owed = errors.Is(err, ErrTimeout)
	if c.owed && c.line != nil { // a late answer must not fall into the next device's turn
		if err := c.quiet(ctx); err != nil && !lineError(err) {
			return resp, err
		}
		c.owed = false
	}
	return resp, err
}

// turn waits until the line is this device's. done gives it back.
func (c *Client) turn(ctx context.Context, urgent bool) (done func(), err error) {
	if c.line == nil {
		return func() {}, nil
	}
	done, err = c.line.Turn(ctx, urgent)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("modbus: await turn: %w", err)
	}
	return done, err
}

// quiet waits for the gap before a frame and throws away what comes meanwhile: an answer that was
// given up on, or noise.
func (c *Client) quiet(ctx context.Context) error {
	start, wait := time.Now(), glance
	if c.owed {
		wait = lateGrace
	}
	for {
		now := time.Now()
		if now.Sub(start) > c.opt.Timeout {
			return fmt.Errorf("%w: the line is never silent", ErrBadFrame)
		}
		n, err := c.read(ctx, c.buf[:], later(c.last.Add(c.opt.Gap), now.Add(wait)))
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			return nil
		}
		if err != nil {
			return c.lineFailure(ctx, "listen", err)
		}
		wait = glance
	}
}

// answer collects bytes until they contain the answer or it can no more be expected.
func (c *Client) answer(ctx context.Context, req Request) (Response, error) {
	end := time.Now().Add(c.opt.Timeout)
	deadline := end
	for have := 0; ; {
		n, err := c.read(ctx, c.buf[have:], deadline)
		have += n
		resp, begun, bad := find(c.buf[:have], req)
		switch {
		case bad == nil:
			return resp, nil
		case have == len(c.buf):
			return Response{}, bad
		case err != nil && have > 0 && errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return Response{}, brokeOff(bad, c.buf[:have])
		case err != nil:
			return Response{}, c.lineFailure(ctx, "await answer", err)
		}
		deadline = end
		if begun || have >= noise {
			deadline = earlier(end, c.last.Add(interByte))
		}
		deadline = later(deadline, time.Now().Add(glance))
	}
}

func brokeOff(bad error, p []byte) error {
	if errors.Is(bad, ErrShort) {
		return fmt.Errorf("%w: it breaks off after % x", ErrBadFrame, p[:min(len(p), 16)])
	}
	return bad
}

// read reads once, and notices a ctx that ended before its deadline was set.
func (c *Client) read(ctx context.Context, b []byte, deadline time.Time) (int, error) {
	if err := c.p.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.p.Read(b)
	if n > 0 {
		c.last = time.Now()
	}
	return n, err
}

// lineFailure tells a quiet device and an ended context from a port that has failed.
func (c *Client) lineFailure(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, ErrTimeout)
	}
	return fmt.Errorf("modbus: %s: %w", doing, err)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
