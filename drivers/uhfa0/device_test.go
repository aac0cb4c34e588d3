package uhfa0_test

import (
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/drivertest/tagtest"
	"yipiao/drivers/uhfa0"
	"yipiao/firmware-sim/rfid"
)

func reader() tagtest.Reader {
	return tagtest.Reader{
		Kind: uhfa0.Kind(), Protocol: rfid.A0, Tech: drivers.TagUHF, Chip: "e2801160600002083b5a1ca0", Baud: 19200,
		Firmware: "2.6",
		Bad: map[string]string{
			`{"absence_ms":1}`:   "absence_ms is 1",
			`{"antennas":[]}`:    "number of antennas is 0",
			`{"antennas":[1,9]}`: "antenna is 9",
			`{"antennas":[2,2]}`: "antenna 2 is there twice",
			`{"min_rssi":5}`:     "min_rssi is 5",
			`{"address":256}`:    "address is 256",
			`{"pause_ms":-1}`:    "pause_ms is -1",
		},
	}
}

func TestReader(t *testing.T) { reader().Run(t) }
