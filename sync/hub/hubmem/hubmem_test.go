package hubmem_test

import (
	"testing"

	"yipiao/sync/hub/hubmem"
	"yipiao/sync/hub/hubtest"
)

func TestStore(t *testing.T) {
	hubtest.Run(t, func(*testing.T) hubtest.World { return hubmem.New() })
}
