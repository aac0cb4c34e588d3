package control

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
	"yipiao/firmware-sim/wan"
)

// An Error is what a simulator answered instead of doing it.
type Error struct {
	Status  int // HTTP: 400 bad request, 404 unknown name, 409 not possible at the moment
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("simulator: %s (%d)", e.Message, e.Status) }

// A Client steers a bench through its socket. It is safe for concurrent use.
type Client struct{ http *http.Client }

// NewClient makes a client; it connects when it is used.
func NewClient(socket string) *Client {
	var d net.Dialer
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// WaitReady blocks until the simulator answers and the line of every device that is plugged in has
// appeared, or until ctx ends.
func (c *Client) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		devices, err := c.Devices(ctx)
		if err == nil && present(devices) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for simulator: %w", errors.Join(ctx.Err(), err))
		}
	}
}

func present(devices []bench.Device) bool {
	for _, d := range devices {
		if d.Line.Plugged && !d.Line.Present {
			return false
		}
	}
	return true
}

// Devices lists all devices with their state and counters.
func (c *Client) Devices(ctx context.Context) ([]bench.Device, error) {
	var r devicesReply
	err := c.call(ctx, http.MethodGet, "/devices", nil, &r)
	return r.Devices, err
}

// Device reports one device.
func (c *Client) Device(ctx context.Context, name string) (bench.Device, error) {
	all, err := c.Devices(ctx)
	if err != nil {
		return bench.Device{}, err
	}
	for _, d := range all {
		if d.Name == name {
			return d, nil
		}
	}
	return bench.Device{}, &Error{Status: http.StatusNotFound, Message: fmt.Sprintf("no device %q", name)}
}

// Events returns what happened after since at one device, or at all where device is "". If there is
// nothing it waits for something for up to wait. last is the next since.
func (c *Client) Events(ctx context.Context, device string, since uint64, wait time.Duration) (events []tape.Event, last uint64, err error) {
	q := url.Values{
		"device":  {device},
		"since":   {strconv.FormatUint(since, 10)},
		"wait_ms": {strconv.FormatInt(wait.Milliseconds(), 10)},
	}
	var r eventsReply
	err = c.call(ctx, http.MethodGet, "/events?"+q.Encode(), nil, &r)
	return r.Events, r.Last, err
}

// Acts lists what can be done to a device.
func (c *Client) Acts(ctx context.Context, name string) ([]bench.Act, error) {
	var r actsReply
	err := c.call(ctx, http.MethodGet, "/devices/"+url.PathEscape(name)+"/acts", nil, &r)
	return r.Acts, err
}

// Act does one of them; args is marshalled to a JSON object, and may be nil. The methods below do the same for
// scanners, turnstiles and plugs.
func (c *Client) Act(ctx context.Context, name, act string, args any) error {
	return c.device(ctx, name, url.PathEscape(act), args)
}

// Scan lets a scanner read a code.
func (c *Client) Scan(ctx context.Context, scanner, text string) error {
	return c.device(ctx, scanner, "scan", scanRequest{Text: text})
}

// Raw lets a scanner send bytes as they are.
func (c *Client) Raw(ctx context.Context, scanner string, wire []byte) error {
	return c.device(ctx, scanner, "raw", rawRequest{Hex: hex.EncodeToString(wire)})
}

// Unplug pulls a device's plug.
func (c *Client) Unplug(ctx context.Context, device string) error {
	return c.device(ctx, device, "unplug", nil)
}

// Replug puts it back.
func (c *Client) Replug(ctx context.Context, device string) error {
	return c.device(ctx, device, "replug", nil)
}

// SetFaults replaces what is wrong with a device's line.
func (c *Client) SetFaults(ctx context.Context, device string, f board.Faults) error {
	return c.device(ctx, device, "faults", f)
}

// SetVisitor says what the person in front of a turnstile does; walk 0 leaves the time as it is.
func (c *Client) SetVisitor(ctx context.Context, gate string, v turnstile.Visitor, walk time.Duration) error {
	return c.device(ctx, gate, "visitor", visitorRequest{Mode: string(v), WalkMs: int(walk.Milliseconds())})
}

// Pass lets somebody walk through an open turnstile.
func (c *Client) Pass(ctx context.Context, gate string, d turnstile.Direction) error {
	return c.device(ctx, gate, "pass", direction(d))
}

// Force lets somebody through a closed turnstile.
func (c *Client) Force(ctx context.Context, gate string, d turnstile.Direction) error {
	return c.device(ctx, gate, "force", direction(d))
}

// SetFire switches a turnstile's anti-panic.
func (c *Client) SetFire(ctx context.Context, gate string, on bool) error {
	return c.device(ctx, gate, "fire", switchRequest{On: on})
}

// SetBlocked turns a turnstile's key switch.
func (c *Client) SetBlocked(ctx context.Context, gate string, on bool) error {
	return c.device(ctx, gate, "blocked", switchRequest{On: on})
}

// SetFault sets a turnstile's error bits.
func (c *Client) SetFault(ctx context.Context, gate string, bits uint16) error {
	return c.device(ctx, gate, "fault", faultRequest{Bits: bits})
}

// WAN reports the stretch of network between station and cloud.
func (c *Client) WAN(ctx context.Context) (wan.State, error) {
	var s wan.State
	err := c.call(ctx, http.MethodGet, "/wan", nil, &s)
	return s, err
}

// CutWAN cuts it.
func (c *Client) CutWAN(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/wan/cut", nil, nil)
}

// MendWAN mends it.
func (c *Client) MendWAN(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/wan/mend", nil, nil)
}

// DelayWAN adds a delay to each direction.
func (c *Client) DelayWAN(ctx context.Context, d time.Duration) error {
	return c.call(ctx, http.MethodPost, "/wan/delay", delayRequest{Ms: int(d.Milliseconds())}, nil)
}

func direction(d turnstile.Direction) directionRequest {
	if d == turnstile.Exit {
		return directionRequest{Direction: "exit"}
	}
	return directionRequest{Direction: "entry"}
}

func (c *Client) device(ctx context.Context, name, act string, body any) error {
	return c.call(ctx, http.MethodPost, "/devices/"+url.PathEscape(name)+"/"+act, body, nil)
}

func (c *Client) call(ctx context.Context, method, path string, body, reply any) error {
	var send io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("simulator: %w", err)
		}
		send = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://simulator"+path, send)
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		var e errorReply
		_ = json.NewDecoder(resp.Body).Decode(&e) // the status says enough where there is no text
		return &Error{Status: resp.StatusCode, Message: e.Error}
	}
	if reply == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(reply); err != nil {
		return fmt.Errorf("simulator: read answer: %w", err)
	}
	return nil
}
