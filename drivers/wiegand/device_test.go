package wiegand_test

import (
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/drivertest/tagtest"
	"yipiao/drivers/wiegand"
	"yipiao/firmware-sim/rfid"
)

func reader() tagtest.Reader {
	return tagtest.Reader{
		Kind: wiegand.Kind(), Protocol: rfid.Wiegand, Tech: drivers.TagWiegand, Chip: "a5c31e", Baud: 9600,
		Firmware: "sim-1", Forgets: true,
		Bad: map[string]string{
			`{"absence_ms":-1}`: "absence_ms is -1",
		},
	}
}

func TestReader(t *testing.T) { reader().Run(t) }
