package seglog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"yipiao/sync/journal"
)

// Open opens the log in cfg.Dir, or begins one there, and says what it found. It takes the
// directory's lock, reads the last segment, drops a torn tail so that it cannot come back, and
// makes the rest durable. It returns ErrLocked, ErrEpoch, ErrDamaged (the Report then names the
// places) or an error of the file layer; no segment is changed when the journal is damaged and
// cfg.AllowDamaged is not set.
func Open(cfg Config) (*Log, Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, Report{}, fmt.Errorf("open journal: %w", err)
	}
	l, report, err := open(cfg)
	if err != nil {
		return nil, report, fmt.Errorf("open journal in %s: %w", cfg.Dir, err)
	}
	return l, report, nil
}

func open(cfg Config) (*Log, Report, error) {
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, Report{}, err
	}
	lock, err := cfg.FS.Lock(cfg.Dir)
	if err != nil {
		return nil, Report{}, err
	}
	r := &recovery{cfg: &cfg, chain: newChainer(cfg.Key, cfg.Epoch)}
	err = r.run()
	if err != nil {
		return nil, r.report, errors.Join(err, r.close(), lock.Close())
	}
	l := r.log(cfg, lock)
	if err := l.firstFill(); err != nil {
		return nil, r.report, errors.Join(err, r.close(), lock.Close())
	}
	l.tasks.Add(1)
	go l.runPreparer()
	go l.runCommitter()
	l.wakePreparer()
	return l, r.report, nil
}

// recovery brings the files of a directory back to a log.
type recovery struct {
	cfg    *Config
	chain  *chainer
	report Report

	names []string   // files in the directory
	all   []*segment // the open ones, ascending
	begun []*segment // with records
	blank []*segment // prepared, in the order they would be used

	end    journal.Pos
	tail   scan     // of the last begun segment
	short  bool     // its file is shorter than it was made
	saves  bool     // what is cut off it must be kept
	dirty  *segment // the blank segment that a torn first batch lies in
	spoilt int      // blank segments from here on cannot be used
	aside  bool     // and must be kept as *.bad
}

func (r *recovery) run() error {
	steps := []func() error{r.load, r.readHeaders, r.sort, r.readSealed, r.readTail, r.readBlank, r.judge, r.repair}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	r.report.End = r.end
	r.report.First = r.end.Seq + 1
	r.report.Segments = len(r.begun)
	if len(r.begun) > 0 {
		r.report.First = r.begun[0].first
	}
	return nil
}

// judge stops before anything is changed when the journal is damaged.
func (r *recovery) judge() error {
	if len(r.report.Damage) > 0 && !r.cfg.AllowDamaged {
		return fmt.Errorf("%w: %s", ErrDamaged, r.report.Damage[0])
	}
	return nil
}

func (r *recovery) damage(number uint64, off int64, seq uint64, why Reason) {
	r.report.Damage = append(r.report.Damage, Damage{Segment: number, Offset: off, Seq: seq, Reason: why})
}

// load opens the segments there are and removes what an interrupted preparation left.
func (r *recovery) load() error {
	names, err := r.cfg.FS.List(r.cfg.Dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	r.names = names
	var numbers []uint64
	for _, name := range names {
		if strings.HasSuffix(name, segSuffix+tmpSuffix) {
			if err := r.cfg.FS.Remove(filepath.Join(r.cfg.Dir, name)); err != nil {
				return err
			}
		}
		if n, ok := parseSegName(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		f, err := r.cfg.FS.Open(filepath.Join(r.cfg.Dir, segName(n)))
		if err != nil {
			return err
		}
		r.all = append(r.all, &segment{label: label{number: n}, file: f})
	}
	return nil
}

// log makes the running log of what was recovered.
func (r *recovery) log(cfg Config, lock io.Closer) *Log {
	l := &Log{
		cfg: cfg, lock: lock, chain: r.chain,
		front: &batch{done: make(chan struct{})}, spare: &batch{},
		tip: r.end, pos: r.end, end: r.end.Seq,
		segs: r.begun, ready: r.blank,
		committed: make(chan struct{}), poke: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	l.work = sync.Cond{L: &l.mu}
	l.windows.New = func() any { return new(window) }
	l.durable.Store(l.pos.Seq)
	for _, s := range slices.Concat(l.segs, l.ready) {
		l.total += s.size
		l.last = s.number
	}
	if n := len(l.segs); n > 0 {
		l.active, l.off = l.segs[n-1], r.tail.off
		l.room = room{off: l.off, size: l.active.size}
	}
	return l
}

func (r *recovery) close() error {
	var errs []error
	for _, s := range r.all {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
