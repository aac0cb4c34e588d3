package seglog

import "io"

// FS is what the log needs of a file system. OS is the real one; a test puts a fault-injecting
// layer in its place. Names are paths; all methods are safe for concurrent use.
type FS interface {
	// MkdirAll makes dir and its parents.
	MkdirAll(dir string) error
	// Create makes a new, empty file; it is an error if there is one.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Remove removes a file. It is durable after SyncDir.
	Remove(name string) error
	// Rename renames a file in its directory, atomically. It is durable after SyncDir.
	Rename(from, to string) error
	// List returns the names of the files in dir, without the path, in any order.
	List(dir string) ([]string, error)
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Lock takes the exclusive lock of dir until the result is closed, or until the process ends.
	// It returns ErrLocked, without waiting, when somebody else holds it.
	Lock(dir string) (io.Closer, error)
	// Free returns how many bytes can still be written on dir's file system.
	Free(dir string) (int64, error)
}

// File is an open segment.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length in bytes.
	Size() (int64, error)
	// Sync makes contents and length durable (fsync).
	Sync() error
	// Datasync makes contents durable and may skip the times of the file (fdatasync). After an
	// error nothing is known about what was written since the last success.
	Datasync() error
}
