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
)

// A unit is one configured device with its driver.
type unit struct {
	cfg    Config
	kind   drivers.Kind
	dev    drivers.Device
	log    *slog.Logger
	health func(Status)
	queue  *queue
	shares *shared // the line that it shares with other devices, nil for a line of its own

	mu     sync.Mutex // guards the fields below
	status Status
	before Status // Frames and Errors of earlier runs
	up     bool   // the device can be used
	newRun bool   // no Up has been told since the driver started
	told   bool   // an Up has been told, and no end of that run
	alarms map[drivers.AlarmKind]drivers.Alarm
	own    drivers.Health // what the driver said last; State is "" before that
	crowd  string         // what is wrong with the line it shares, "" for nothing
}

const neverOpened = "not opened yet"

func newUnit(c Config, kind drivers.Kind, dev drivers.Device) *unit {
	u := &unit{
		cfg: c, kind: kind, dev: dev, queue: newQueue(), alarms: make(map[drivers.AlarmKind]drivers.Alarm),
		status: Status{
			Name: c.Name, Kind: kind.Name, Title: kind.Title, Port: c.Port.String(),
			State: drivers.StateLost, Note: neverOpened,
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

// subscribe adds a subscriber and tells it what stands already.
func (u *unit) subscribe(fn func(any)) (cancel func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var standing []any
	if u.up {
		standing = append(standing, u.upEvent(true))
		for _, a := range u.alarms {
			standing = append(standing, a)
		}
	}
	return u.queue.subscribe(fn, standing...)
}

// supervise opens the port and runs the driver, again and again, until ctx is done.
func (u *unit) supervise(ctx context.Context, open func(context.Context, Port) (port.Port, error), wait *backoff) {
	for ctx.Err() == nil {
		p, err := open(ctx, u.cfg.Port)
		if err == nil {
			began := u.begin()
			err = u.runOnce(ctx, p)
			if cerr := p.Close(); cerr != nil {
				u.log.Debug("port not closed cleanly", "error", cerr)
			}
			if u.worked(began) {
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
	u.end("station is stopping")
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

// begin notes that a port is open, and when.
func (u *unit) begin() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Opens++
	u.before = Status{Frames: u.status.Frames, Errors: u.status.Errors}
	u.newRun = true
	if u.status.Note == neverOpened {
		u.status.Note = "nothing heard yet"
	}
	return time.Now()
}

// steady is how long a run lasts that was worth starting, although nothing was heard.
const steady = 2 * time.Second

// worked reports whether the run that has just ended was of any use, so that the next may follow soon.
func (u *unit) worked(began time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status.Frames > u.before.Frames || time.Since(began) >= steady
}

// take is the driver's emit.
func (u *unit) take(e drivers.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch e := e.(type) {
	case drivers.Health:
		u.takeHealth(e)
		return
	case drivers.PrinterStatus:
		if u.status.Printer == nil || *u.status.Printer != e {
			u.status.Printer = &e
			u.queue.put(u.status)
		}
		return
	case drivers.Alarm:
		delete(u.alarms, e.Kind)
		if e.On {
			u.alarms[e.Kind] = e
		}
	}
	if !u.queue.put(e) {
		u.before.Errors++ // so that the driver's own next count does not hide it
		u.status.Errors++
		u.log.Warn("scan dropped, nobody takes them")
	}
}

// takeHealth is called under mu.
func (u *unit) takeHealth(h drivers.Health) {
	u.status.Frames = u.before.Frames + h.Frames
	u.status.Errors = u.before.Errors + h.Errors
	named := u.status.Firmware != h.Firmware || u.status.Serial != h.Serial
	u.status.Firmware, u.status.Serial = h.Firmware, h.Serial
	if !h.LastGood.IsZero() {
		u.status.LastGood = h.LastGood
	}
	u.own = h
	if !u.change(u.judged()) && named {
		u.queue.put(u.status)
	}
	usable := h.State != drivers.StateLost
	if usable == u.up {
		return
	}
	u.up = usable
	if !usable {
		u.queue.put(Down{Note: h.Note})
		return
	}
	u.queue.put(u.upEvent(u.newRun))
	u.newRun, u.told = false, true
}

// judged is the driver's word, and what is wrong with the line of a device that is well. It is called under mu.
func (u *unit) judged() (drivers.State, string) {
	if u.own.State == drivers.StateOK && u.crowd != "" {
		return drivers.StateAttention, u.crowd
	}
	return u.own.State, u.own.Note
}

// crowded notes that the line it shares is overbooked, or no more ("").
func (u *unit) crowded(note string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.crowd = note
	if u.own.State != "" {
		u.change(u.judged())
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

// lose notes that the port cannot be opened or that the driver has failed.
func (u *unit) lose(why string) {
	u.mu.Lock()
	u.own = drivers.Health{}
	u.change(drivers.StateLost, why)
	u.mu.Unlock()
	u.end(why)
}

// end notes that the driver does not run.
func (u *unit) end(why string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.up = false
	if u.told {
		u.told = false
		u.queue.put(Down{RunEnded: true, Note: why})
	}
}

// change is called under mu. It tells and logs only what is new, and reports whether anything was.
func (u *unit) change(state drivers.State, note string) bool {
	if u.status.State == state && u.status.Note == note && !u.status.Since.IsZero() {
		return false
	}
	if u.status.State != state || u.status.Since.IsZero() {
		u.status.Since = time.Now()
	}
	u.status.State, u.status.Note = state, note
	level := slog.LevelInfo
	if state != drivers.StateOK {
		level = slog.LevelWarn
	}
	u.log.Log(context.Background(), level, "device health", "state", string(state), "note", note, "port", u.cfg.Port.String())
	u.queue.put(u.status)
	return true
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
