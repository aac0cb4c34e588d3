package acatri_test

import (
	"testing"

	"yipiao/drivers/acatri"
	"yipiao/drivers/drivertest"
)

func TestSituations(t *testing.T) { drivertest.Situations(t, acatri.Kind(), fresh(t)) }
