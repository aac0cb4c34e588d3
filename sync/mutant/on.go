//go:build mutants

package mutant

import "sync/atomic"

var active atomic.Pointer[string]

// On reports whether the mistake is active.
func On(name string) bool {
	a := active.Load()
	return a != nil && *a == name
}

// Activate makes one mistake active, and "" none. Simulations that run must be of that mistake.
func Activate(name string) { active.Store(&name) }
