package replicamem_test

import (
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/replica/replicatest"
)

// A rig is a machine whose disk is a replicamem.Disk.
type rig struct {
	disk replicamem.Disk
	now  *replicamem.Store
}

func (r *rig) Open(log journal.Log, clock replicamem.Clock) (replicatest.Station, error) {
	s, err := replicamem.Open(replicamem.Config{Self: replicatest.Self, Tenant: replicatest.Tenant, Clock: clock}, &r.disk, log)
	r.now = s
	return s, err
}

func (r *rig) Crash() { r.now.PowerCut() }

func TestStore(t *testing.T) {
	replicatest.Run(t, func(*testing.T) replicatest.Rig { return new(rig) })
}
