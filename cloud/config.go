package cloud

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"yipiao/cloud/internal/store"
	"yipiao/sync/ticket"
)

// DefaultSync is where stations are served when nothing is configured.
const DefaultSync = "127.0.0.1:9443"

// Config is the configuration of a cloud node.
type Config struct {
	// Data is the data directory; in a file it counts from the file's folder.
	Data string `json:"data"`
	// Database is where sessions, tickets and facts are kept: a postgres:// URL, which several nodes may
	// share, or empty for the SQLite file cloud.db in the data directory. A password had better stand in
	// ~/.pgpass than here.
	Database string `json:"database,omitempty"`
	// MasterKey is the file of the master key, which should lie on another disk than the database and
	// its backups. Default: keys/master.key in the data directory.
	MasterKey string `json:"master_key,omitempty"`
	Listen    Listen `json:"listen"`
	// Public is the address (host:port) under which stations reach Listen.Sync; it stands in enrolment
	// codes. Default: the listener's own, unless that is for all addresses.
	Public string `json:"public,omitempty"`
	// Hosts are further names and addresses for the cloud's certificate.
	Hosts []string `json:"hosts,omitempty"`
}

// Listen says where the cloud answers.
type Listen struct {
	Sync string `json:"sync,omitempty"` // stations: feed, journal, enrolment, time; default DefaultSync
	Web  string `json:"web,omitempty"`  // people and tools, HTTPS with the cloud's certificate; empty: off
	// Plain is plain HTTP, for a browser on this very machine; it must be a loopback address. Empty: off.
	Plain string `json:"plain,omitempty"`
}

// LoadConfig reads a configuration file strictly: an unknown key is an error that names it.
func LoadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("配置文件读不到 (configuration): %w", err)
	}
	c, err := parseConfig(text)
	if err != nil {
		return c, fmt.Errorf("配置文件 %s 有误 (configuration): %w", path, err)
	}
	base := filepath.Dir(path)
	c.Data, c.MasterKey = below(base, c.Data), below(base, c.MasterKey)
	return c, nil
}

func parseConfig(text []byte) (Config, error) {
	var c Config
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, explain(err, text)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("结尾多出内容 (text after the end)")
	}
	return c, nil
}

func below(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// explain names the field of a wrong type, and the line of anything else.
func explain(err error, text []byte) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return badField(kind.Field, fmt.Sprintf("JSON 类型 %s，现为 %s (a %s, not a %s)", kind.Type, kind.Value, kind.Type, kind.Value))
	case errors.As(err, &syntax):
		line := 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
		return fmt.Errorf("第 %d 行 (line): %w", line, err)
	}
	return err
}

func badField(field, want string) error {
	return &ticket.FieldError{Field: field, Want: want, Code: "bad_config"}
}

// Validate fills in defaults and reports everything that is wrong, each with its field.
func (c *Config) Validate() error {
	var errs []error
	if c.Data == "" {
		errs = append(errs, badField("data", "数据目录 (a directory)"))
	}
	if c.MasterKey == "" {
		c.MasterKey = filepath.Join(c.Data, keysDir, "master.key")
	}
	if c.Database != "" && !store.IsPostgres(c.Database) {
		errs = append(errs, badField("database", "postgres:// 开头的地址；留空则用数据目录里的 SQLite 文件 (a postgres:// URL, or empty for SQLite)"))
	}
	if c.Listen.Sync == "" {
		c.Listen.Sync = DefaultSync
	}
	for _, f := range []struct {
		name, value    string
		optional, open bool
	}{
		{"listen.sync", c.Listen.Sync, false, true}, {"listen.web", c.Listen.Web, true, true}, {"public", c.Public, true, false},
	} {
		if f.value == "" && f.optional {
			continue
		}
		host, port, err := net.SplitHostPort(f.value)
		if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || !f.open && (host == "" || port == "0") {
			errs = append(errs, badField(f.name, "主机:端口 (host:port)"))
		}
	}
	if c.Listen.Plain != "" && !loopback(c.Listen.Plain) {
		errs = append(errs, badField("listen.plain", "本机回环地址，如 127.0.0.1:8080 (a loopback address): 明文 HTTP 不出本机"))
	}
	for i, h := range c.Hosts {
		if h == "" {
			errs = append(errs, badField(fmt.Sprintf("hosts[%d]", i), "主机名或地址 (a name or an address)"))
		}
	}
	return errors.Join(errs...)
}

// database names the database for store.Open.
func (c *Config) database() string {
	if c.Database != "" {
		return c.Database
	}
	return filepath.Join(c.Data, databaseFile)
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
