package pn532_test

import (
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/drivertest/tagtest"
	"yipiao/drivers/pn532"
	"yipiao/firmware-sim/rfid"
)

func reader() tagtest.Reader {
	return tagtest.Reader{
		Kind: pn532.Kind(), Protocol: rfid.PN532, Tech: drivers.TagHFA, Chip: "04a1b2c3d4e5f6", Baud: 9600,
		Firmware: "PN532 1.6",
		Bad: map[string]string{
			`{"absence_ms":1}`: "absence_ms is 1",
			`{"poll_ms":5}`:    "poll_ms is 5",
		},
	}
}

func TestReader(t *testing.T) { reader().Run(t) }
