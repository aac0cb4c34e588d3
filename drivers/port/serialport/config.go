package serialport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tarm/serial"

	"yipiao/drivers/port"
)

// Config says which line to open and how it is set. Zero values other than Path mean 9600 8N1.
type Config struct {
	Path     string `json:"path"`                // best a stable name below /dev/serial/by-id or by-path
	Baud     int    `json:"baud,omitempty"`      // bits per second
	Size     int    `json:"size,omitempty"`      // data bits, 5 to 8
	Parity   string `json:"parity,omitempty"`    // "none", "odd" or "even"
	StopBits int    `json:"stop_bits,omitempty"` // 1 or 2
}

// Defaults of Config.
const (
	DefaultBaud     = 9600
	DefaultSize     = 8
	DefaultParity   = "none"
	DefaultStopBits = 1
)

// bauds are the speeds which tarm/serial knows on Linux, from 1200 up. 128000, 250000 and 256000
// are not among them.
var bauds = []int{
	1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000,
	921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
}

var parities = map[string]serial.Parity{
	"none": serial.ParityNone,
	"odd":  serial.ParityOdd,
	"even": serial.ParityEven,
}

// Bauds lists the speeds which Validate accepts, for a form.
func Bauds() []int { return slices.Clone(bauds) }

// Validate reports the first field which cannot be used as a *port.ConfigError. It does no I/O.
func (c Config) Validate() error {
	if strings.TrimSpace(c.Path) == "" {
		return &port.ConfigError{Field: "path", Got: c.Path, Want: "the path of a serial line, such as /dev/serial/by-id/…"}
	}
	c = c.withDefaults()
	if !slices.Contains(bauds, c.Baud) {
		return &port.ConfigError{Field: "baud", Got: strconv.Itoa(c.Baud), Want: "one of " + list(bauds)}
	}
	if c.Size < 5 || c.Size > 8 {
		return &port.ConfigError{Field: "size", Got: strconv.Itoa(c.Size), Want: "5, 6, 7 or 8"}
	}
	if _, ok := parities[c.Parity]; !ok {
		return &port.ConfigError{Field: "parity", Got: c.Parity, Want: "none, odd or even (mark and space are not supported)"}
	}
	if c.StopBits != 1 && c.StopBits != 2 {
		return &port.ConfigError{Field: "stop_bits", Got: strconv.Itoa(c.StopBits), Want: "1 or 2 (1.5 is not supported)"}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Baud == 0 {
		c.Baud = DefaultBaud
	}
	if c.Size == 0 {
		c.Size = DefaultSize
	}
	if c.Parity == "" {
		c.Parity = DefaultParity
	}
	if c.StopBits == 0 {
		c.StopBits = DefaultStopBits
	}
	return c
}

// String is the line as a technician writes it, such as "/dev/ttyUSB0 9600 8N1".
func (c Config) String() string {
	c = c.withDefaults()
	return fmt.Sprintf("%s %d %d%s%d", c.Path, c.Baud, c.Size, strings.ToUpper(c.Parity[:1]), c.StopBits)
}

// tarm translates a validated Config with its defaults filled in.
func (c Config) tarm() *serial.Config {
	return &serial.Config{
		Name:     c.Path,
		Baud:     c.Baud,
		Size:     byte(c.Size),
		Parity:   parities[c.Parity],
		StopBits: serial.StopBits(c.StopBits),
	}
}

func list(ns []int) string {
	words := make([]string, len(ns))
	for i, n := range ns {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}
