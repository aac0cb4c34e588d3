//go:build !linux

package ledger

// ReleasePages does nothing here: stations run on Linux.
func (l *Ledger) ReleasePages() error { return nil }
