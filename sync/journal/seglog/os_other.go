//go:build !linux

package seglog

import (
	"errors"
	"io"
)

// OS returns a file system that refuses everything: the station's files need Linux (fdatasync,
// flock, statfs). Elsewhere the package still compiles and runs over another FS.
func OS() FS { return noFS{} }

type noFS struct{}

func (noFS) MkdirAll(string) error          { return errors.ErrUnsupported }
func (noFS) Create(string) (File, error)    { return nil, errors.ErrUnsupported }
func (noFS) Open(string) (File, error)      { return nil, errors.ErrUnsupported }
func (noFS) Remove(string) error            { return errors.ErrUnsupported }
func (noFS) Rename(_, _ string) error       { return errors.ErrUnsupported }
func (noFS) List(string) ([]string, error)  { return nil, errors.ErrUnsupported }
func (noFS) SyncDir(string) error           { return errors.ErrUnsupported }
func (noFS) Lock(string) (io.Closer, error) { return nil, errors.ErrUnsupported }
func (noFS) Free(string) (int64, error)     { return 0, errors.ErrUnsupported }
