package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"yipiao/sync/ticket"
)

// Config is what a desk needs. All fields but Archive are required.
type Config struct {
	Dir    string           // the data directory; the file is Dir/desk.sqlite
	Self   ticket.StationID // this station, to know its own facts among the cloud's
	Source Source
	Log    *slog.Logger
	// Archive asks the cloud; nil where there is none.
	Archive Archive
}

// Errors of questions.
var (
	// ErrNotReady is returned while the file cannot be opened.
	ErrNotReady = errors.New("desk: the file is not open")
	// ErrSlow is returned when an answer takes longer than five seconds: ask for less.
	ErrSlow = errors.New("desk: the answer takes too long")
)

// A Desk answers questions from its file while Run keeps that up to date. It is safe for concurrent use.
type Desk struct {
	cfg  Config
	path string

	dirty bool // Run's own: the write-ahead log has not been moved into the file

	// spoilt is set by a question that met a damaged page; Run builds the file again.
	spoilt atomic.Bool

	// open guards f: questions hold it shared, opening and closing alone. Only Run changes it.
	open sync.RWMutex
	f    *file // nil while there is none

	mu sync.Mutex
	// mu guards the fields below.
	status Status
}

// New checks cfg. It does no I/O and starts nothing: a station whose desk cannot be opened checks
// tickets all the same.
func New(cfg Config) (*Desk, error) {
	if cfg.Dir == "" || cfg.Source == nil || cfg.Log == nil {
		return nil, errors.New("desk: directory, source and log are required")
	}
	return &Desk{cfg: cfg, path: filepath.Join(cfg.Dir, "desk.sqlite")}, nil
}

// A Status says how far the desk is. Sequences are of the journal, times Unix milliseconds.
type Status struct {
	Ready  bool   // questions are answered
	Cursor uint64 // last fact in the file
	End    uint64 // last durable fact of the journal
	// Rebuild says why the file is being built again, one of the Rebuild codes; "" once it has caught up.
	Rebuild string
	// FirstSeq and FirstMs are the first kept fact; 0 before there is one.
	FirstSeq uint64
	FirstMs  int64
	// Err is what went wrong last, "" while all is well; the desk tries again by itself.
	Err string
}

// Lag is how many durable facts the file does not hold yet.
func (s Status) Lag() uint64 { return s.End - min(s.Cursor, s.End) }

// Progress is how many of the kept facts a rebuild has written.
func (s Status) Progress() (done, of uint64) {
	before := max(s.FirstSeq, 1) - 1
	return s.Cursor - min(before, s.Cursor), s.End - min(before, s.End)
}

// Status returns the present state.
func (d *Desk) Status() Status {
	end := d.cfg.Source.Durable().Seq
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.End = max(end, s.Cursor)
	return s
}

func (d *Desk) change(f func(*Status)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.status)
}

// awaitFor bounds Await: a person waits for the page.
const awaitFor = time.Second

// Await returns when the file holds the fact seq, or after a second at most.
func (d *Desk) Await(ctx context.Context, seq uint64) {
	ctx, cancel := context.WithTimeout(ctx, awaitFor)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for d.Status().Cursor < seq {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// answerWithin bounds a question.
const answerWithin = 5 * time.Second

// ask runs a question on the file.
func (d *Desk) ask(asked context.Context, question func(context.Context, *file) error) error {
	ctx, cancel := context.WithTimeout(asked, answerWithin)
	defer cancel()
	d.open.RLock()
	defer d.open.RUnlock()
	if d.f == nil {
		return ErrNotReady
	}
	err := question(ctx, d.f)
	if isDamage(err) {
		d.spoilt.Store(true)
	}
	if err != nil && ctx.Err() != nil && asked.Err() == nil {
		return fmt.Errorf("%w: %w", ErrSlow, err)
	}
	return err
}
