package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yipiao/edge/internal/devices"
	"yipiao/edge/internal/lane"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
)

// Config is the station's own configuration: ports, devices and lanes. Halls, gate groups and
// policies are the cloud's.
type Config struct {
	Data    string           `json:"data"` // data directory, relative to the configuration file
	Listen  Listen           `json:"listen"`
	Devices []devices.Config `json:"devices"`
	Lanes   []LaneConfig     `json:"lanes"`
	Backup  BackupConfig     `json:"backup,omitzero"`
	Uplinks []UplinkConfig   `json:"uplinks,omitempty"` // ways to the cloud, the best first; none: one by the routing table
	// SyncDelay makes every sync of the journal take so much longer: a slow disk, for measurements.
	SyncDelay time.Duration `json:"-"`

	text    []byte        // the file it was read from; nil for none
	segment int64         // bytes of a journal segment; 0 = the journal's default
	probe   time.Duration // between probes of the uplink; 0 = probeEvery
	answer  time.Duration // how long a probe may take; 0 = probeDeadline
	files   seglog.FS     // file layer of the journal; nil = the operating system's
}

// Listen says where the station answers.
type Listen struct {
	LAN string `json:"lan"` // HTTPS for devices and technicians, default 127.0.0.1:8443
	// Plain is plain HTTP, for a browser on this very machine and for measurements; it must be a
	// loopback address. Empty: off.
	Plain string   `json:"plain,omitempty"`
	Hosts []string `json:"hosts,omitempty"` // further names and addresses for the certificate
}

// A LaneConfig is one lane: a channel with reader and gate, or a door for handhelds.
type LaneConfig struct {
	Name          string               `json:"name"`  // stable, stands in facts, such as "L1"
	Title         string               `json:"title"` // as on the door, such as 1号通道
	Groups        []ticket.GateGroupID `json:"groups"`
	Entry         bool                 `json:"entry"`
	Exit          bool                 `json:"exit"`
	Closed        bool                 `json:"closed,omitempty"`
	Scanner       string               `json:"scanner,omitempty"` // a device
	Gate          string               `json:"gate,omitempty"`    // a device
	PermitSeconds int                  `json:"permit_seconds,omitempty"`
	// OnFault says what happens at a gate while the station cannot record: closed (default) lets nobody
	// pass, free opens for everybody who holds up a code and counts people, without any entry.
	OnFault lane.OnFault `json:"on_fault,omitempty"`
}

// LoadConfig reads a configuration file strictly: an unknown key is an error that names it. Relative
// paths in it count from the file's folder.
func LoadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("配置文件读不到 (configuration): %w", err)
	}
	var c Config
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("配置文件 %s 有误 (configuration): %w", path, explain(err, text))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("配置文件 %s 有误 (configuration): 结尾多出内容 (text after the end)", path)
	}
	c.text = text
	base := filepath.Dir(path)
	c.Data = below(base, c.Data)
	c.Backup.Folder, c.Backup.Stick = below(base, c.Backup.Folder), below(base, c.Backup.Stick)
	for i := range c.Devices {
		c.Devices[i].Port.Below(base)
	}
	return c, c.Validate()
}

func below(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// explain adds the line to a JSON error.
func explain(err error, text []byte) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := int64(-1)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err, at = errors.New("内容不完整 (the file ends too early)"), int64(len(text))
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	}
	if at < 0 || at > int64(len(text)) {
		return err
	}
	return fmt.Errorf("第 %d 行 (line): %w", 1+bytes.Count(text[:at], []byte("\n")), err)
}

// Validate fills in defaults and reports everything that is wrong, each with its field.
func (c *Config) Validate() error {
	if c.probe == 0 {
		c.probe = probeEvery
	}
	if c.answer == 0 {
		c.answer = probeDeadline
	}
	if c.Listen.LAN == "" {
		c.Listen.LAN = "127.0.0.1:8443"
	}
	var errs []error
	bad := func(field, want string) {
		errs = append(errs, &ticket.FieldError{Field: field, Want: want, Code: "bad_config"})
	}
	if c.Data == "" {
		bad("data", "数据目录 (a directory)")
	}
	if _, _, err := net.SplitHostPort(c.Listen.LAN); err != nil {
		bad("listen.lan", "地址:端口 (host:port)")
	}
	if c.Listen.Plain != "" && !loopback(c.Listen.Plain) {
		bad("listen.plain", "本机回环地址，如 127.0.0.1:8080 (a loopback address): 明文 HTTP 不出本机")
	}
	c.checkLanes(bad)
	c.checkUplinks(bad)
	c.Backup.validate(c.Data, bad)
	if _, err := devices.New(c.Devices, nil, slog.New(slog.DiscardHandler)); err != nil {
		errs = append(errs, fmt.Errorf("设备配置有误 (devices): %w", err))
	}
	return errors.Join(errs...)
}

// checkLanes reports what is wrong with each lane and between them and the devices.
func (c *Config) checkLanes(bad func(field, want string)) {
	known := make(map[string]bool)
	for i := range c.Devices {
		known[c.Devices[i].Name] = true
	}
	names := make(map[string]bool)
	used := make(map[string]string)
	for i := range c.Lanes {
		c.Lanes[i].validate(fmt.Sprintf("lanes[%d]", i), bad)
		l := &c.Lanes[i]
		if names[l.Name] {
			bad(fmt.Sprintf("lanes[%d].name", i), "不重复的名称 (unique)")
		}
		names[l.Name] = true
		for _, d := range []string{l.Scanner, l.Gate} {
			if other := used[d]; d != "" && other != "" {
				bad(fmt.Sprintf("lanes[%d]", i), fmt.Sprintf("设备 %s 已属于通道 %s (device belongs to another lane)", d, other))
			}
			used[d] = l.Name
			if d != "" && !known[d] {
				bad(fmt.Sprintf("lanes[%d]", i), fmt.Sprintf("devices 中有的设备，没有 %s (a device that is listed)", d))
			}
		}
	}
}

func (l *LaneConfig) validate(at string, bad func(field, want string)) {
	if l.PermitSeconds == 0 {
		l.PermitSeconds = 5
	}
	if strings.TrimSpace(l.Name) == "" || len(l.Name) > 30 {
		bad(at+".name", "1–30 字节 (1 to 30 bytes)")
	}
	if l.Title == "" {
		l.Title = l.Name
	}
	if len(l.Groups) == 0 {
		bad(at+".groups", "至少一个检票口组 (at least one gate group)")
	}
	if !l.Entry && !l.Exit {
		bad(at+".entry", "entry 与 exit 至少一个为 true (entry or exit)")
	}
	if l.Scanner != "" && l.Entry && l.Exit {
		bad(at+".exit", "有扫码器的通道只能一个方向 (a lane with a scanner has one direction)")
	}
	if l.Gate != "" && l.Scanner == "" {
		bad(at+".scanner", "有闸机的通道要有扫码器 (a gate needs a scanner)")
	}
	if l.OnFault == "" {
		l.OnFault = lane.Closed
	}
	if l.OnFault != lane.Closed && l.OnFault != lane.Free {
		bad(at+".on_fault", "closed | free")
	}
	if l.PermitSeconds < 1 || l.PermitSeconds > 60 {
		bad(at+".permit_seconds", "1–60")
	}
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
