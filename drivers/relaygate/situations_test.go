package relaygate_test

import (
	"testing"

	"yipiao/drivers/drivertest"
	"yipiao/drivers/relaygate"
)

// TestSituations: on lines that are the boards' own; turns on a bus are package bus's business.
func TestSituations(t *testing.T) {
	for _, m := range builds {
		if !m.shared {
			t.Run(m.name, func(t *testing.T) { drivertest.Situations(t, relaygate.Kind(), m.bench(t)) })
		}
	}
}
