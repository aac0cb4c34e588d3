package port

import "fmt"

// A ConfigError names the field of a port's configuration that cannot be used, and what was expected there.
type ConfigError struct {
	Field string // as in the JSON
	Got   string
	Want  string
}

// Error implements error.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s: %q is not usable, want %s", e.Field, e.Got, e.Want)
}
