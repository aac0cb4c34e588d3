package ledger

import (
	"fmt"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// ReleasePages lets go of the catalogue's mapped pages. They stay in the kernel's cache: one that is needed
// again is mapped again without reading the disk. Without it the process takes as much memory, by the
// kernel's count, as the catalogue is large. It may run beside everything else.
func (l *Ledger) ReleasePages() error {
	return l.cat.view(func(tx *bbolt.Tx) error { // a transaction keeps bbolt from moving the mapping meanwhile
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, tx.DB().Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		if errno != 0 {
			return fmt.Errorf("release pages of the catalogue: %w", errno)
		}
		return nil
	})
}
