package simtest

import (
	"context"

	"yipiao/sync/hub/hubmem"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/replica/replicatest"
	"yipiao/sync/ticket"
)

// InMemory is the Build without any disk: as many seeds as there is time for.
func InMemory() Build {
	return Build{Cloud: MemoryCloud, Machine: MemoryMachine}
}

// MemoryCloud returns an empty hubmem.
func MemoryCloud() Cloud { return hubmem.New() }

// memoryMachine is a station over replicamem.
type memoryMachine struct {
	self   ticket.StationID
	tenant ticket.TenantID
	disk   replicamem.Disk
	now    *replicamem.Store
}

// MemoryMachine returns a Machine over replicamem, with an empty disk.
func MemoryMachine(self ticket.StationID, tenant ticket.TenantID) Machine {
	return &memoryMachine{self: self, tenant: tenant}
}

func (m *memoryMachine) Start(env Env) (replicatest.Station, error) {
	cfg := replicamem.Config{Self: m.self, Tenant: m.tenant, Clock: env.Clock, Spoil: env.Spoil}
	s, err := replicamem.Open(cfg, &m.disk, env.Log)
	if err != nil {
		return nil, err
	}
	m.now = s
	return s, nil
}

func (m *memoryMachine) Stop(ctx context.Context) error {
	_ = m.now.Checkpoint(ctx) // one that fails costs the next start time
	m.now.PowerCut()
	return nil
}

func (m *memoryMachine) PowerCut(context.Context) { m.now.PowerCut() }
