package seglog

import (
	"fmt"
	"path/filepath"
)

// Trim removes the segments all of whose entries lie before seq and returns how many. It never
// removes the segment being written to, so more than was asked for may be kept. The caller decides
// what may go: what is uploaded and covered by a checkpoint. Removed entries read as ErrTrimmed.
func (l *Log) Trim(before uint64) (removed int, err error) {
	l.trim.Lock()
	defer l.trim.Unlock()
	for ; ; removed++ {
		s, err := l.detach(before)
		if s == nil || err != nil {
			return removed, err
		}
		if err := l.erase(s); err != nil {
			return removed, fmt.Errorf("trim %s: %w", segName(s.number), err)
		}
	}
}

// detach takes the oldest segment out of the log if it lies before seq and is not the last.
func (l *Log) detach(before uint64) (*segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return nil, err
	}
	if len(l.segs) < 2 || l.segs[1].first > before {
		return nil, nil
	}
	s := l.segs[0]
	l.segs = append([]*segment(nil), l.segs[1:]...)
	return s, nil
}

// erase removes the file. The directory is synced each time so that a power cut cannot leave a hole.
func (l *Log) erase(s *segment) error {
	l.files.Lock()
	err := s.file.Close()
	l.files.Unlock()
	if err != nil {
		return err
	}
	if err := l.cfg.FS.Remove(filepath.Join(l.cfg.Dir, segName(s.number))); err != nil {
		return err
	}
	if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
		return err
	}
	l.mu.Lock()
	l.total -= s.size
	l.wakePreparer()
	l.mu.Unlock()
	return nil
}
