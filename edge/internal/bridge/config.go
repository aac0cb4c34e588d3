package bridge

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"yipiao/drivers"
	"yipiao/drivers/port/bridgeport"
	"yipiao/edge/internal/devices"
	"yipiao/sync/ticket"
)

// DefaultListen is where a bridge answers unless its configuration says otherwise.
const DefaultListen = ":8447"

// A Config says what a machine offers.
type Config struct {
	Listen string `json:"listen"` // host:port, default DefaultListen
	Data   string `json:"data"`   // folder of key and certificate, relative to the configuration file; default bridge
	// Ports are the local lines by the names that the station uses, each in the form of the station's own ports:
	// serial, hid, evdev or lp.
	Ports map[string]devices.Port `json:"ports"`
}

// LoadConfig reads a configuration file strictly: an unknown key and a name that stands twice are errors that name
// it. Relative paths in it count from the file's folder.
func LoadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("配置文件读不到 (configuration): %w", err)
	}
	var c Config
	if err := json.Unmarshal(text, &c, json.RejectUnknownMembers(true)); err != nil {
		return Config{}, fmt.Errorf("配置文件 %s 有误 (configuration): %w", path, err)
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Data == "" {
		c.Data = "bridge"
	}
	base := filepath.Dir(path)
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(base, c.Data)
	}
	for name, p := range c.Ports {
		p.Below(base)
		c.Ports[name] = p
	}
	return c, c.validate()
}

// validate reports everything that is wrong, each with its field.
func (c *Config) validate() error {
	var errs []error
	bad := func(field, want string) {
		errs = append(errs, &ticket.FieldError{Field: field, Want: want, Code: "bad_config"})
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen", "地址:端口，如 :8447 (host:port)")
	}
	if len(c.Ports) == 0 {
		bad("ports", "至少一个端口 (at least one port)")
	}
	lines := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(c.Ports)) {
		p, at := c.Ports[name], "ports."+name
		if bridgeport.CheckName(name) != nil {
			bad(at, "名称为 1–40 个字母、数字、点、横线、下划线 (a name of letters, digits, dots, hyphens, underscores)")
		}
		switch t := p.Type(); {
		case p.Line == nil:
			bad(at, "一个端口，如 {\"path\": \"/dev/ttyUSB0\"} (a port)")
		case p.Remote() || t == drivers.PortTCP:
			bad(at+".type", strings.Join(bridgeport.Lines(), " | ")+"，网络设备由驿站直接连接 (a local line; the station reaches network devices by itself)")
		default:
			if err := p.Line.Validate(); err != nil { // it begins with its field
				errs = append(errs, fmt.Errorf("%s.%w", at, err))
			}
		}
		if other, used := lines[p.String()]; used && p.Line != nil {
			bad(at, "与 "+other+" 不同的设备 (not the same line as "+other+")")
		}
		lines[p.String()] = name
	}
	return errors.Join(errs...)
}
