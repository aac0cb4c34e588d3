// Package all lists the device protocols that this build can drive, one line each.
//
// It knows which there are. It must not know what any of them does; only edge/internal/devices and
// tools that talk to devices directly import it.
package all

import (
	"yipiao/drivers"
	"yipiao/drivers/linescan"
	"yipiao/drivers/lotgate"
)

// Register adds every protocol to r.
func Register(r *drivers.Registry) {
	r.Add(linescan.Kind())
	r.Add(lotgate.Kind())
}
