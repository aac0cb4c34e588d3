// Package settings decodes a driver's settings strictly.
//
// It knows JSON. It must not know any driver.
package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Decode reads raw into v, which holds the defaults. A nil, empty or null message changes nothing; an unknown key
// is an error that names it.
func Decode(raw json.RawMessage, v any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("settings: something follows the object")
	}
	return nil
}

// Between checks that a number lies in its range and names it where it does not.
func Between(key string, got, low, high int) error {
	if got < low || got > high {
		return fmt.Errorf("settings: %s is %d, want %d to %d", key, got, low, high)
	}
	return nil
}
