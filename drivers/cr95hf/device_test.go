package cr95hf_test

import (
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/cr95hf"
	"yipiao/drivers/drivertest/tagtest"
	"yipiao/firmware-sim/rfid"
)

func reader() tagtest.Reader {
	return tagtest.Reader{
		Kind: cr95hf.Kind(), Protocol: rfid.CR95HF, Tech: drivers.TagHFV, Chip: "e00401586de02802", Baud: 9600,
		Firmware: "NFC FS2JAST4",
		Bad: map[string]string{
			`{"absence_ms":1}`: "absence_ms is 1",
			`{"poll_ms":5}`:    "poll_ms is 5",
		},
	}
}

func TestReader(t *testing.T) { reader().Run(t) }
