package seglog

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// repair makes the files what the report says: nothing behind the end can come back, everything
// before it is durable, and the blank segments are ready for use.
func (r *recovery) repair() error {
	if err := r.repairTail(); err != nil {
		return err
	}
	if r.dirty != nil && !slices.Contains(r.blank[r.spoilt:], r.dirty) {
		if err := r.wipe(r.dirty, startOff); err != nil {
			return err
		}
	}
	if err := r.discardBlank(); err != nil {
		return err
	}
	return r.closeUnused()
}

// repairTail cuts the last begun segment. It syncs even when there is nothing to cut: after a mere
// crash of the process its last records may never have been synced.
func (r *recovery) repairTail() error {
	if len(r.begun) == 0 {
		return nil
	}
	s := r.begun[len(r.begun)-1]
	if r.saves {
		if err := r.saveTail(s); err != nil {
			return err
		}
	}
	if r.short || r.tail.dropped() > 0 {
		return r.wipe(s, r.tail.off)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", segName(s.number), err)
	}
	return nil
}

// wipe zeroes s from off to its end, durably.
func (r *recovery) wipe(s *segment, off int64) error {
	zero := make([]byte, min(zeroChunk, s.size))
	for off < s.size {
		part := zero[:min(int64(len(zero)), s.size-off)]
		if err := writeFull(s.file, part, off); err != nil {
			return fmt.Errorf("zero %s: %w", segName(s.number), err)
		}
		off += int64(len(part))
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", segName(s.number), err)
	}
	return nil
}

// saveTail copies what is cut off a damaged segment to a file of its own.
func (r *recovery) saveTail(s *segment) error {
	name := r.badName(s.number)
	f, err := r.cfg.FS.Create(name)
	if err != nil {
		return err
	}
	err = writeFull(f, r.tail.buf[r.tail.off:r.tail.off+r.tail.dropped()], 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = r.cfg.FS.SyncDir(r.cfg.Dir)
	}
	if err != nil {
		return fmt.Errorf("keep what is cut off %s: %w", segName(s.number), err)
	}
	r.report.Saved = append(r.report.Saved, name)
	return nil
}

// badName returns a name for a *.bad file of a segment that does not exist yet.
func (r *recovery) badName(number uint64) string {
	for i := 1; ; i++ {
		name := fmt.Sprintf("%s.%d%s", segName(number), i, badSuffix)
		if !slices.Contains(r.names, name) {
			r.names = append(r.names, name)
			return filepath.Join(r.cfg.Dir, name)
		}
	}
}

// discardBlank removes spoilt blank segments, the last one first so that a power cut in between
// leaves no hole. Those that may hold records are renamed instead.
func (r *recovery) discardBlank() error {
	for len(r.blank) > r.spoilt {
		s := r.blank[len(r.blank)-1]
		r.blank = r.blank[:len(r.blank)-1]
		name := filepath.Join(r.cfg.Dir, segName(s.number))
		var err error
		if r.aside {
			bad := r.badName(s.number)
			err = r.cfg.FS.Rename(name, bad)
			r.report.Saved = append(r.report.Saved, bad)
		} else {
			err = r.cfg.FS.Remove(name)
		}
		if err == nil {
			err = r.cfg.FS.SyncDir(r.cfg.Dir)
		}
		if err != nil {
			return fmt.Errorf("discard %s: %w", segName(s.number), err)
		}
	}
	return nil
}

// closeUnused closes the files that are neither begun nor blank: damaged ones and discarded ones.
func (r *recovery) closeUnused() error {
	var errs []error
	r.all = slices.DeleteFunc(r.all, func(s *segment) bool {
		if slices.Contains(r.begun, s) || slices.Contains(r.blank, s) {
			return false
		}
		errs = append(errs, s.file.Close())
		return true
	})
	return errors.Join(errs...)
}
