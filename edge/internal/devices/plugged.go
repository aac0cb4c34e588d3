package devices

import (
	"path/filepath"
	"slices"
	"strings"

	"yipiao/drivers"
	"yipiao/drivers/port/evdevport"
	"yipiao/drivers/port/hidport"
	"yipiao/drivers/port/lpport"
	"yipiao/drivers/port/plug"
	"yipiao/drivers/port/serialport"
)

// NoPermission is the Note of a device whose port this account may not open.
const NoPermission = "no permission to open the port"

// Uses reports whether a port is something that is plugged in. root is the folder that dev is in, "" for /; a path
// may also be a link of somebody's own making.
func (p Port) Uses(i *plug.Item, root string) bool {
	switch c := p.Line.(type) {
	case serialport.Config:
		return i.Line == drivers.PortSerial && named(i, c.Path, root)
	case evdevport.Config:
		return i.Line == drivers.PortEvdev && named(i, c.Path, root)
	case lpport.Config:
		return i.Line == drivers.PortLP && (c.USB != "" && c.USB == i.Name || c.Path != "" && named(i, c.Path, root))
	case hidport.Config:
		if i.Line != drivers.PortHID || c.Path != "" {
			return i.Line == drivers.PortHID && c.Path == i.Name
		}
		return strings.EqualFold(c.Vendor, i.USB.Vendor) && strings.EqualFold(c.Product, i.USB.Product) && (c.Serial == "" || c.Serial == i.USB.Serial)
	}
	return false
}

// named reports whether a path leads to what is plugged in.
func named(i *plug.Item, path, root string) bool {
	if slices.Contains(i.Names, path) {
		return true
	}
	top, err := filepath.EvalSymlinks(filepath.Join("/", root))
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(filepath.Join(top, path))
	return err == nil && i.Node != "" && real == filepath.Join(top, i.Node)
}

// Local reports whether a line is a socket of this machine, and not a connection to another one.
func (p Port) Local() bool {
	return p.Line != nil && !p.Remote() && p.Type() != drivers.PortTCP
}

// Node is the path that a line of this machine is opened by, "" for one that is found by its USB socket or number.
func (p Port) Node() string {
	switch c := p.Line.(type) {
	case serialport.Config:
		return c.Path
	case evdevport.Config:
		return c.Path
	case lpport.Config:
		return c.Path
	}
	return ""
}

// SameNode reports whether two lines of this machine are one node in the end, whatever links lead to it.
func (p Port) SameNode(o Port) bool {
	a, errA := filepath.EvalSymlinks(p.Node())
	b, errB := filepath.EvalSymlinks(o.Node())
	return p.Node() != "" && o.Node() != "" && errA == nil && errB == nil && a == b
}
