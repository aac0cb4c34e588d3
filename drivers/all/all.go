// Package all lists the device protocols that this build can drive, one line each.
//
// It knows which there are. It must not know what any of them does; only edge/internal/devices and
// tools that talk to devices directly import it.
package all

import (
	"yipiao/drivers"
	"yipiao/drivers/acatri"
	"yipiao/drivers/cr95hf"
	"yipiao/drivers/escpos"
	"yipiao/drivers/fgl"
	"yipiao/drivers/hidpos"
	"yipiao/drivers/honeywell"
	"yipiao/drivers/linescan"
	"yipiao/drivers/lotgate"
	"yipiao/drivers/mrz"
	"yipiao/drivers/newland"
	"yipiao/drivers/pn532"
	"yipiao/drivers/relaygate"
	"yipiao/drivers/sdt"
	"yipiao/drivers/ssi"
	"yipiao/drivers/tpw"
	"yipiao/drivers/tspl"
	"yipiao/drivers/uhfa0"
	"yipiao/drivers/uhfbb"
	"yipiao/drivers/wedge"
	"yipiao/drivers/wiegand"
	"yipiao/drivers/zpl"
)

// Register adds every protocol to r: scanners, document readers, chip readers, gates, printers.
func Register(r *drivers.Registry) {
	r.Add(linescan.Kind())
	r.Add(hidpos.Kind())
	r.Add(wedge.Kind())
	r.Add(newland.Kind())
	r.Add(honeywell.Kind())
	r.Add(ssi.Kind())
	r.Add(sdt.Kind())
	r.Add(mrz.Kind())
	r.Add(uhfa0.Kind())
	r.Add(uhfbb.Kind())
	r.Add(pn532.Kind())
	r.Add(cr95hf.Kind())
	r.Add(wiegand.Kind())
	r.Add(lotgate.Kind())
	r.Add(relaygate.Kind())
	r.Add(tpw.Kind())
	r.Add(acatri.Kind())
	r.Add(escpos.Kind())
	r.Add(fgl.Kind())
	r.Add(zpl.Kind())
	r.Add(tspl.Kind())
}
