package edge

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"yipiao/drivers"
	"yipiao/drivers/port/hidport"
	"yipiao/drivers/port/plug"
	"yipiao/edge/internal/devices"
)

// Hardware is what is plugged into a machine, which of it a configuration uses, and what is wrong with either
// (GET /api/v1/hardware, `yipiao doctor devices --json`).
type Hardware struct {
	HIDSupported bool            `json:"hid_supported"` // false: this build drives no HID device at all
	Plugged      []PluggedIn     `json:"plugged"`
	Devices      []DeviceAt      `json:"devices"` // as configured
	Problems     []DeviceProblem `json:"problems"`
}

// PluggedIn is one thing that is plugged in.
type PluggedIn struct {
	plug.Item
	UsedBy   []string       `json:"used_by"`            // configured devices; several on a shared line
	Proposal *plug.Proposal `json:"proposal,omitempty"` // of what no device uses, for station.json
}

// Where a configured device is.
const (
	AtPlug    = "plugged" // plugged in here
	AtNode    = "node"    // a node that is there and is nothing that is plugged in, as a simulator's
	AtMissing = "missing" // not plugged in
	AtNetwork = "network" // on another machine
)

// DeviceAt is a configured device. Its state is "" where no station was asked.
type DeviceAt struct {
	DeviceStatus
	At string `json:"at"`
}

// A DeviceProblem is something that a technician can put right. Cure is a command that does, "" where hands are needed.
type DeviceProblem struct {
	Code    string `json:"code"`
	Subject string `json:"subject"` // a device, or what is plugged in
	Text    string `json:"text"`
	Cure    string `json:"cure,omitempty"`
}

// udevRules is where the package has them.
const udevRules = "deploy/udev/60-yipiao.rules"

// Survey reads what is plugged in and compares it with a configuration, and with what a station says of its devices
// where one was asked; states may be nil. It opens no device.
func Survey(tree plug.Tree, cfg *Config, states []DeviceStatus) (Hardware, error) {
	items, err := tree.List()
	if err != nil {
		return Hardware{}, err
	}
	h := Hardware{HIDSupported: hidport.Supported(), Plugged: []PluggedIn{}, Devices: []DeviceAt{}, Problems: []DeviceProblem{}}
	taken := make(map[string]bool)
	var configured []devices.Config
	if cfg != nil {
		configured = cfg.Devices
	}
	for _, c := range configured {
		taken[c.Name] = true
	}
	for i := range items {
		h.plugged(&items[i], configured, taken, tree.Root)
	}
	for _, c := range configured {
		h.device(c, states, tree.Root)
	}
	return h, nil
}

// plugged adds one thing and what is wrong with it.
func (h *Hardware) plugged(i *plug.Item, configured []devices.Config, taken map[string]bool, root string) {
	p := PluggedIn{Item: *i, UsedBy: []string{}}
	for _, c := range configured {
		if c.Port.Uses(i, root) {
			p.UsedBy = append(p.UsedBy, c.Name)
		}
	}
	if len(p.UsedBy) == 0 {
		p.Proposal = i.Propose(taken)
	}
	h.Plugged = append(h.Plugged, p)
	subject := strings.Join(append(p.UsedBy, i.Name), " ")
	problem := DeviceProblem{Code: i.Fault.Code, Subject: subject, Text: i.Fault.Text}
	switch i.Fault {
	case plug.NoPermission:
		problem.Cure = ownRule(i) + permissionCure()
	case plug.NoDriver:
		problem.Cure = "sudo modprobe " + i.Module()
	case plug.Taken:
		problem.Cure = "sudo fuser -v /dev/bus/usb/" + i.USB.Number
	}
	if problem.Code != "" && (len(p.UsedBy) > 0 || i.Model != nil && len(i.Model.Kinds) > 0) { // a keyboard may stay as it is
		h.Problems = append(h.Problems, problem)
	}
	if i.Line == drivers.PortHID && !h.HIDSupported {
		h.Problems = append(h.Problems, DeviceProblem{
			Code: "hid_unsupported", Subject: subject,
			Text: "！！本程序编译时没有 cgo，驱动不了任何 HID 设备 (!! THIS BUILD HAS NO CGO AND DRIVES NO HID DEVICE)",
			Cure: "CGO_ENABLED=1 go build ./cmd/...",
		})
	}
}

// device adds one configured device and what is wrong with it.
func (h *Hardware) device(c devices.Config, states []DeviceStatus, root string) {
	d := DeviceAt{DeviceStatus: DeviceStatus{Name: c.Name, Kind: c.Kind, Port: c.Port.String()}, At: h.where(c, root)}
	for _, s := range states {
		if s.Name == c.Name {
			d.DeviceStatus = s
		}
	}
	h.Devices = append(h.Devices, d)
	lost := d.State == string(drivers.StateLost)
	switch {
	case d.At == AtMissing:
		h.Problems = append(h.Problems, DeviceProblem{
			Code: "missing", Subject: c.Name, Text: "已配置但没有插上：" + d.Port + " (configured and not plugged in)",
		})
	case lost && d.Note == devices.NoPermission:
		h.Problems = append(h.Problems, DeviceProblem{
			Code: "station_no_permission", Subject: c.Name, Cure: permissionCure(),
			Text: "驿站的账号无权打开；命令里的账号请换成运行驿站的账号 (the station's account may not open it: put that account into the command)",
		})
	case lost:
		h.Problems = append(h.Problems, DeviceProblem{Code: "lost", Subject: c.Name, Text: "驿站报告失联 (the station has lost it)：" + d.Note})
	}
}

// where says where a configured device is.
func (h *Hardware) where(c devices.Config, root string) string {
	if !c.Port.Local() {
		return AtNetwork
	}
	for i := range h.Plugged {
		if c.Port.Uses(&h.Plugged[i].Item, root) && h.Plugged[i].Node != "" {
			return AtPlug
		}
	}
	if node := c.Port.Node(); node != "" {
		if _, err := os.Stat(filepath.Join("/", root, node)); err == nil {
			return AtNode
		}
	}
	return AtMissing
}

// ruleMakers are the makers of scanners that the rules list; a keyboard is a HID device too, so that not all may be.
const ruleMakers = "0536|0c2e|05e0|05f9|065a|1eab"

// ownRule is a command that adds the rule for a HID device that the rules do not list, "" for every other thing.
func ownRule(i *plug.Item) string {
	if i.Line != drivers.PortHID && i.Line != drivers.PortEvdev || strings.Contains(ruleMakers, i.USB.Vendor) {
		return ""
	}
	rule := fmt.Sprintf(`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="%s", GROUP="yipiao", MODE="0660"`, i.USB.Vendor)
	if i.Line == drivers.PortEvdev {
		rule = fmt.Sprintf(`SUBSYSTEM=="input", KERNEL=="event[0-9]*", ATTRS{idVendor}=="%s", ATTRS{idProduct}=="%s", GROUP="yipiao", MODE="0660"`, i.USB.Vendor, i.USB.Product)
	}
	return fmt.Sprintf("echo '%s' | sudo tee /etc/udev/rules.d/61-yipiao-%s.rules && ", rule, i.USB.Vendor)
}

// permissionCure lets this account open all devices, now and after every plug.
func permissionCure() string {
	name := "$USER"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return fmt.Sprintf("sudo groupadd -f -r yipiao && sudo usermod -aG yipiao %s && sudo install -m 644 %s /etc/udev/rules.d/ && "+
		"sudo udevadm control --reload && sudo udevadm trigger    # 然后重新登录或重启驿站 (then log in again, or restart the station)", name, udevRules)
}

// SamePort finds the configured device that a port belongs to, under whatever name it is called; "" for none. device
// is one device as in station.json.
func SamePort(tree plug.Tree, cfg *Config, device json.RawMessage) (string, error) {
	var want devices.Config
	if err := json.Unmarshal(device, &want); err != nil {
		return "", fmt.Errorf("设备写法有误 (device): %w", err)
	}
	items, err := tree.List()
	if err != nil {
		return "", err
	}
	for _, c := range cfg.Devices {
		if c.Port.Line == nil {
			continue
		}
		if c.Port.String() == want.Port.String() || c.Port.SameNode(want.Port) {
			return c.Name, nil
		}
		for i := range items {
			if c.Port.Uses(&items[i], tree.Root) && want.Port.Uses(&items[i], tree.Root) {
				return c.Name, nil
			}
		}
	}
	return "", nil
}
