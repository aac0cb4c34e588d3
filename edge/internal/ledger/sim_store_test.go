package ledger_test

import (
	"context"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/replica/replicatest"
	"yipiao/sync/simtest"
)

// TestStore: the ledger is a replica.Store (R1, R3 to R6, R9, R12).
func TestStore(t *testing.T) {
	replicatest.Run(t, func(t *testing.T) replicatest.Rig {
		return storeRig{ledgers(t).Machine(replicatest.Self, replicatest.Tenant)}
	})
}

// A storeRig is a simulation's machine in the suite's words.
type storeRig struct{ m simtest.Machine }

func (r storeRig) Open(log journal.Log, clock replicamem.Clock) (replicatest.Station, error) {
	return r.m.Start(simtest.Env{Log: log, Clock: clock})
}

func (r storeRig) Crash() { r.m.PowerCut(context.Background()) }
