package devices

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port"
	"yipiao/drivers/port/serialport"
)

// A unit is one configured device with its driver.
type unit struct {
	cfg    Config
	kind   drivers.Kind
	dev    drivers.Device
	log    *slog.Logger
	health func(Status)
	queue  *queue

	mu     sync.Mutex // guards the fields below
	status Status
	before Status // Frames and Errors of earlier runs
	up     bool   // the device can be used
	newRun bool   // no Up has been told since the driver started
	alarms map[drivers.AlarmKind]drivers.Alarm
}

func newUnit(c Config, kind drivers.Kind, dev drivers.Device) *unit {
	u := &unit{
		cfg: c, kind: kind, dev: dev, queue: newQueue(), alarms: make(map[drivers.AlarmKind]drivers.Alarm),
		status: Status{
			Name: c.Name, Kind: kind.Name, Title: kind.Title, Port: c.Port.String(),
			State: drivers.StateLost, Note: "not opened yet",
		},
	}
	u.queue.subscribe(func(e any) {
		if st, ok := e.(Status); ok {
			u.health(st)
		}
	})
	return u
}

func (u *unit) snapshot() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

// standing is what a late subscriber has missed and must know.
func (u *unit) standing() []any {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.up {
		return nil
	}
	events := []any{u.upEvent(true)}
	for _, a := range u.alarms {
		events = append(events, a)
	}
	return events
}

// supervise opens the port and runs the driver, again and again, until ctx is done.
func (u *unit) supervise(ctx context.Context, open func(serialport.Config) (port.Port, error), wait *backoff) {
	for ctx.Err() == nil {
		p, err := open(u.cfg.Port)
		if err == nil {
			u.begin()
			err = u.runOnce(ctx, p)
			if cerr := p.Close(); cerr != nil {
				u.log.Debug("port not closed cleanly", "error", cerr)
			}
			if u.good() {
				wait.reset()
			}
		}
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			err = errors.New("driver ended by itself")
		}
		u.lose(reason(err))
		wait.sleep(ctx)
	}
	u.lose("station is stopping")
}

// runOnce runs the driver over one port. A driver that panics is a device that failed.
func (u *unit) runOnce(ctx context.Context, p port.Port) (err error) {
	defer func() {
		if v := recover(); v != nil {
			u.log.Error("driver panicked", "kind", u.kind.Name, "value", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("driver panicked: %v", v)
		}
	}()
	return u.dev.Run(ctx, p, u.take)
}

// begin notes that a port is open.
func (u *unit) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Opens++
	u.before = Status{Frames: u.status.Frames, Errors: u.status.Errors}
	u.newRun = true
}

// good reports whether the run that has just ended had any good frame.
func (u *unit) good() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status.Frames > u.before.Frames
}

// take is the driver's emit.
func (u *unit) take(e drivers.Event) {
	switch e := e.(type) {
	case drivers.Health:
		u.takeHealth(e)
		return
	case drivers.Alarm:
		u.mu.Lock()
		delete(u.alarms, e.Kind)
		if e.On {
			u.alarms[e.Kind] = e
		}
		u.mu.Unlock()
	}
	if !u.queue.put(e) {
		u.mu.Lock()
		u.before.Errors++
		u.status.Errors++
		u.mu.Unlock()
		u.log.Warn("scan dropped, nobody takes them")
	}
}

func (u *unit) takeHealth(h drivers.Health) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Frames = u.before.Frames + h.Frames
	u.status.Errors = u.before.Errors + h.Errors
	u.status.Firmware = h.Firmware
	if !h.LastGood.IsZero() {
		u.status.LastGood = h.LastGood
	}
	u.change(h.State, h.Note)
	if lost := h.State == drivers.StateLost; lost == u.up {
		u.up = !lost
		if lost {
			u.queue.put(Down{Note: h.Note})
			return
		}
		u.queue.put(u.upEvent(u.newRun))
		u.newRun = false
	}
}

// upEvent is called under mu.
func (u *unit) upEvent(newRun bool) Up {
	e := Up{NewRun: newRun}
	if c, ok := u.dev.(drivers.PassageCounter); ok {
		e.Counters, e.Counted = c.LastCounters()
	}
	return e
}

// lose notes that the driver does not run.
func (u *unit) lose(why string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.change(drivers.StateLost, why)
	if u.up {
		u.up = false
		u.queue.put(Down{RunEnded: true, Note: why})
	}
}

// change is called under mu. It tells and logs only what is new.
func (u *unit) change(state drivers.State, note string) {
	if u.status.State == state && u.status.Note == note && !u.status.Since.IsZero() {
		return
	}
	if u.status.State != state || u.status.Since.IsZero() {
		u.status.Since = time.Now()
	}
	u.status.State, u.status.Note = state, note
	level := slog.LevelInfo
	if state != drivers.StateOK {
		level = slog.LevelWarn
	}
	u.log.Log(context.Background(), level, "device health", "state", string(state), "note", note)
	u.queue.put(u.status)
}

// reason is what a technician reads about a port that does not open or a driver that ended.
func reason(err error) string {
	switch {
	case errors.Is(err, port.ErrBusy):
		return "port is in use by another program"
	case errors.Is(err, port.ErrGone):
		return "unplugged"
	case errors.Is(err, fs.ErrNotExist):
		return "not plugged in"
	case errors.Is(err, fs.ErrPermission):
		return "no permission to open the port"
	}
	return err.Error()
}
