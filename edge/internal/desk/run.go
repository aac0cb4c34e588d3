package desk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"yipiao/sync/journal"
)

// Limits of following the journal.
const (
	batchFacts  = 1000
	batchBytes  = 1 << 20
	idleAfter   = 2 * time.Second // without a fact: time to checkpoint
	firstPause  = 200 * time.Millisecond
	lastPause   = 15 * time.Second
	trimEvery   = 10 * time.Minute
	trimRows    = 1000
	dutyInverse = 4 // a batch may cost a quarter of the time (storage-and-scale.md part 3)
	longestRest = time.Second
)

// Run follows the journal until ctx ends. It never gives up: after an error it tries again, more and more
// seldom, and says so in Status.
func (d *Desk) Run(ctx context.Context) error {
	pause := firstPause
	for ctx.Err() == nil {
		began := d.Status().Cursor
		err := d.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if d.Status().Cursor > began {
			pause = firstPause
		}
		d.cfg.Log.Error("desk failed, tries again", "error", err, "pause", pause)
		d.change(func(s *Status) { s.Err = err.Error() })
		rest(ctx, pause)
		pause = min(2*pause, lastPause)
	}
	return d.shut()
}

func rest(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// follow opens the file if need be and writes facts into it until something fails.
func (d *Desk) follow(ctx context.Context) error {
	if err := d.prepare(ctx); err != nil {
		return err
	}
	trimmed := time.Now()
	for {
		began := time.Now()
		n, err := d.batch(ctx)
		if isDamage(err) || d.spoilt.Swap(false) {
			if err := d.rebuild(ctx, RebuildDamaged); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		d.change(func(s *Status) { s.Err = "" })
		if n > 0 {
			rest(ctx, min((dutyInverse-1)*time.Since(began), longestRest))
			continue
		}
		d.change(func(s *Status) { s.Rebuild = "" })
		if err := d.wait(ctx); err != nil {
			return err
		}
		if time.Since(trimmed) >= trimEvery {
			trimmed = time.Now()
			if err := d.trim(ctx); err != nil {
				return err
			}
		}
	}
}

// prepare opens the file, or builds it again where it cannot be used.
func (d *Desk) prepare(ctx context.Context) error {
	if d.f != nil {
		return nil
	}
	f, why, err := openFile(ctx, d.path)
	if err != nil {
		return err
	}
	if why == "" {
		why, err = d.adopt(ctx, f)
		if err != nil {
			return errors.Join(err, f.close())
		}
	}
	if why != "" {
		if f != nil {
			if err := f.close(); err != nil {
				return err
			}
		}
		return d.rebuild(ctx, why)
	}
	d.use(f)
	return nil
}

// adopt takes over an existing file's cursor, or says why the file must be built again.
func (d *Desk) adopt(ctx context.Context, f *file) (why string, err error) {
	var at [4]int64
	for i, name := range []string{"epoch", "seq", "first_seq", "first_ms"} {
		if at[i], err = meta(ctx, f.write, name); err != nil {
			return "", err
		}
	}
	now := d.cfg.Source.Durable()
	switch {
	case at[0] != int64(now.Epoch):
		return RebuildEpoch, nil
	case uint64(at[1]) > now.Seq:
		return RebuildAhead, nil
	}
	d.change(func(s *Status) {
		s.Cursor, s.FirstSeq, s.FirstMs = uint64(at[1]), uint64(at[2]), at[3]
	})
	return "", nil
}

func (d *Desk) use(f *file) {
	d.open.Lock()
	d.f = f
	d.open.Unlock()
	d.change(func(s *Status) { s.Ready = true })
}

// rebuild begins with an empty file.
func (d *Desk) rebuild(ctx context.Context, why string) error {
	d.cfg.Log.Warn("desk is built again from the journal", "reason", why)
	d.change(func(s *Status) { *s = Status{Rebuild: why} })
	if err := d.shut(); err != nil {
		return err
	}
	f, err := create(ctx, d.path)
	if err != nil {
		return err
	}
	epoch := d.cfg.Source.Durable().Epoch
	err = f.tx(ctx, func(tx *sql.Tx) error { return setMeta(ctx, tx, "epoch", int64(epoch)) })
	if err != nil {
		return errors.Join(err, f.close())
	}
	d.use(f)
	return nil
}

// shut closes the file once no question is being answered.
func (d *Desk) shut() error {
	d.change(func(s *Status) { s.Ready = false })
	d.open.Lock()
	defer d.open.Unlock()
	if d.f == nil {
		return nil
	}
	err := d.f.close()
	d.f = nil
	if err != nil {
		return fmt.Errorf("close the file: %w", err)
	}
	return nil
}

// batch writes the next facts and the cursor as one transaction, and returns how many there were.
func (d *Desk) batch(ctx context.Context) (int, error) {
	st := d.Status()
	if st.Cursor >= d.cfg.Source.Durable().Seq {
		return 0, nil
	}
	entries, err := d.cfg.Source.Journal(st.Cursor+1, batchFacts, batchBytes)
	if errors.Is(err, journal.ErrTrimmed) { // history begins later than the cursor
		if entries, err = d.cfg.Source.Journal(d.cfg.Source.FirstFact(), batchFacts, batchBytes); err == nil && len(entries) > 0 {
			d.cfg.Log.Warn("facts are no longer kept", "after", st.Cursor, "before", entries[0].Seq)
			st.FirstSeq = 0
		}
	}
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	if st.FirstSeq == 0 {
		st.FirstSeq, st.FirstMs = entries[0].Seq, entries[0].TimeMs
	}
	st.Cursor = entries[len(entries)-1].Seq
	err = d.f.tx(ctx, func(tx *sql.Tx) error { return write(ctx, tx, d.cfg.Source, entries, &st) })
	if err != nil {
		return 0, err
	}
	d.dirty = true
	d.change(func(s *Status) { s.Cursor, s.FirstSeq, s.FirstMs = st.Cursor, st.FirstSeq, st.FirstMs })
	return len(entries), nil
}

func write(ctx context.Context, tx *sql.Tx, src Source, entries []journal.Entry, to *Status) error {
	a, err := newApplier(ctx, tx, src)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := a.apply(&entries[i]); err != nil {
			return err
		}
	}
	return setMetas(ctx, tx, to)
}

func setMetas(ctx context.Context, tx *sql.Tx, s *Status) error {
	return errors.Join(setMeta(ctx, tx, "seq", int64(s.Cursor)),
		setMeta(ctx, tx, "first_seq", int64(s.FirstSeq)), setMeta(ctx, tx, "first_ms", s.FirstMs))
}

// wait returns when there is a new fact. While there is none it moves the write-ahead log into the file,
// which no gate waits for.
func (d *Desk) wait(ctx context.Context) error {
	next := d.Status().Cursor + 1
	quiet, cancel := context.WithTimeout(ctx, idleAfter)
	err := d.cfg.Source.WaitDurable(quiet, next)
	cancel()
	if err == nil || quiet.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !d.dirty {
		return nil
	}
	if _, err := d.f.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	d.dirty = false
	return nil
}

// trim removes the rows of facts that the journal no longer keeps: the file is what a rebuild would make.
func (d *Desk) trim(ctx context.Context) error {
	first := d.cfg.Source.FirstFact()
	st := d.Status()
	if first <= st.FirstSeq || first > st.Cursor {
		return nil
	}
	kept, err := d.cfg.Source.Journal(first, 1, 1)
	if err != nil || len(kept) == 0 {
		return err
	}
	st.FirstSeq, st.FirstMs = first, kept[0].TimeMs
	for more := true; more && err == nil; {
		err = d.f.tx(ctx, func(tx *sql.Tx) (err error) {
			if more, err = cut(ctx, tx, first); err != nil {
				return err
			}
			return setMetas(ctx, tx, &st)
		})
	}
	if err == nil {
		d.change(func(s *Status) { s.FirstSeq, s.FirstMs = st.FirstSeq, st.FirstMs })
	}
	return err
}

// cut removes some rows before a sequence, and reports whether there are more.
func cut(ctx context.Context, tx *sql.Tx, first uint64) (more bool, err error) {
	for _, q := range []string{`
		INSERT INTO checked_text (checked_text, rowid, text)
		SELECT 'delete', seq, text FROM (SELECT seq, text FROM checked WHERE seq < ?1 ORDER BY seq LIMIT ?2)`, `
		DELETE FROM checked WHERE seq IN (SELECT seq FROM checked WHERE seq < ?1 ORDER BY seq LIMIT ?2)`, `
		DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE seq < ?1 ORDER BY seq LIMIT ?2)`} {
		res, err := tx.ExecContext(ctx, q, int64(first), trimRows)
		if err != nil {
			return false, fmt.Errorf("remove old rows: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return false, fmt.Errorf("remove old rows: %w", err)
		}
		more = more || n == trimRows
	}
	return more, nil
}
