//go:build !linux

package backup

// sameDisk cannot be told here: a removable folder is never taken for mounted.
func sameDisk(string, string) bool { return true }

// free is not known here.
func free(string) (int64, bool) { return 0, false }
