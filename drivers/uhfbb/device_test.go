package uhfbb_test

import (
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/drivertest/tagtest"
	"yipiao/drivers/uhfbb"
	"yipiao/firmware-sim/rfid"
)

func reader() tagtest.Reader {
	return tagtest.Reader{
		Kind: uhfbb.Kind(), Protocol: rfid.BB, Tech: drivers.TagUHF, Chip: "e2801160600002083b5a1ca0", Baud: 115200,
		Firmware: "M100 V1.00",
		Bad: map[string]string{
			`{"absence_ms":1}`: "absence_ms is 1",
			`{"min_rssi":5}`:   "min_rssi is 5",
		},
	}
}

func TestReader(t *testing.T) { reader().Run(t) }
