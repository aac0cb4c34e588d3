package tpw_test

import (
	"testing"

	"yipiao/drivers/drivertest"
	"yipiao/drivers/tpw"
)

func TestSituations(t *testing.T) { drivertest.Situations(t, tpw.Kind(), bench(t)) }
