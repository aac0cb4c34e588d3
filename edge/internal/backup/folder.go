package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"yipiao/sync/ticket"
)

// A Folder is where backups lie.
type Folder struct {
	Path string
	// Own folders are made where they are missing. Any other must be there already: a folder that
	// appears by itself on the system's disk would hide that the stick is not mounted.
	Own bool
	// Removable folders must lie on another file system than Data.
	Removable bool
	Data      string // the station's data directory
}

// reserve is what a backup leaves free on the disk on which the journal grows.
const reserve = 64 << 20

// check reports with its code why nothing can be written there.
func (f Folder) check() error {
	if f.Own {
		if err := os.MkdirAll(f.Path, 0o700); err != nil {
			return diskError("make folder", err)
		}
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		return diskError("folder", err)
	}
	if !info.IsDir() {
		return fail(CodeNoFolder, "%s is not a folder", f.Path)
	}
	if f.Removable && sameDisk(f.Path, f.Data) {
		return &Error{Code: CodeNotMounted, Err: errors.New(f.Path)}
	}
	return nil
}

// An Info is a backup in a folder.
type Info struct {
	Name  string
	Path  string
	Kind  Kind
	At    time.Time // to the second
	Bytes int64
}

var fileName = regexp.MustCompile(`^yipiao-(S-\d+)-(\d{8}-\d{6})-(daily|manual|shutdown)(?:-\d+)?\.age$`)

const (
	tempPrefix = ".yipiao-backup-"
	stamp      = "20060102-150405"
	sumSuffix  = ".sha256"
)

// List returns the backups of a station in the folder, newest first. A folder that is not there has none.
func (f Folder) List(station ticket.StationID) ([]Info, error) {
	entries, err := os.ReadDir(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskError("list backups", err)
	}
	var out []Info
	for _, e := range entries {
		m := fileName.FindStringSubmatch(e.Name())
		if m == nil || m[1] != station.String() {
			continue
		}
		at, err := time.ParseInLocation(stamp, m[2], ticket.Time(0).Location())
		info, errInfo := e.Info()
		if err != nil || errInfo != nil {
			continue // not ours, or gone meanwhile
		}
		out = append(out, Info{e.Name(), filepath.Join(f.Path, e.Name()), Kind(m[3]), at, info.Size()})
	}
	slices.SortFunc(out, func(a, b Info) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(b.Name, a.Name)
	})
	return out, nil
}

// newName is a name that is not taken.
func (f Folder) newName(about *About) string {
	base := fmt.Sprintf("yipiao-%s-%s-%s", about.Station, ticket.Time(about.Now.UnixMilli()).Format(stamp), about.Kind)
	name := base + ".age"
	for n := 2; ; n++ {
		if _, err := os.Lstat(filepath.Join(f.Path, name)); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d.age", base, n)
	}
}

// Keep says how many backups stay: of those by the clock, and of all others.
type Keep struct{ Daily, Others int }

// prune removes what is beyond keep, sums that have lost their backup, and what a crash has left. The
// one just made always stays, also where a wrong clock has left names from the future.
func (f Folder) prune(station ticket.StationID, keep Keep, made string) error {
	all, err := f.List(station)
	if err != nil {
		return err
	}
	left := map[bool]int{true: max(keep.Daily, 1), false: max(keep.Others, 1)}
	var errs []error
	for _, b := range all {
		daily := b.Kind == Daily
		if left[daily]--; left[daily] < 0 && b.Name != made {
			errs = append(errs, os.Remove(b.Path))
		}
	}
	return errors.Join(append(errs, f.sweep(station))...)
}

func (f Folder) sweep(station ticket.StationID) error {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		name, sum := strings.CutSuffix(e.Name(), sumSuffix)
		path := filepath.Join(f.Path, e.Name())
		switch m := fileName.FindStringSubmatch(name); {
		case strings.HasPrefix(e.Name(), tempPrefix+station.String()):
			errs = append(errs, os.Remove(path))
		case sum && m != nil && m[1] == station.String():
			if _, err := os.Lstat(filepath.Join(f.Path, name)); errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, os.Remove(path))
			}
		}
	}
	return errors.Join(errs...)
}
