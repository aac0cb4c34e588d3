package turnstile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// counters are what a turnstile remembers without power.
type counters struct {
	Entry uint32 `json:"entry"`
	Exit  uint32 `json:"exit"`
}

func loadCounters(path string) (counters, error) {
	var c counters
	if path == "" {
		return c, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("load counters: %w", err)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("load counters %s: %w", path, err)
	}
	return c, nil
}

// saveCounters replaces the file as a whole, so that a simulator that is killed leaves the old or
// the new counters.
func saveCounters(path string, c counters) error {
	if path == "" {
		return nil
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("save counters: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("save counters: %w", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return fmt.Errorf("save counters: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("save counters: %w", err)
	}
	return nil
}
