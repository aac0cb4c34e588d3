// Package vectors holds the test vectors of the device protocols: bytes as they are on the wire, and
// what they mean.
//
// Drivers and simulators are written apart from each other and share nothing but these, so that a
// manual misread on one side shows as a mismatch. The package knows files. It must not know any
// protocol: what a meaning holds is between the vectors and those who read them, and is described in
// docs/protocols.
package vectors

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Directions.
const (
	HostToDevice = "host-to-device"
	DeviceToHost = "device-to-host"
)

// A Vector is bytes on the wire and what they mean.
type Vector struct {
	Name      string
	Wire      []byte
	Meaning   json.RawMessage
	Source    string // manual and section, or "constructed"
	Direction string
	Valid     bool // false: a receiver must not take this for good
}

// entry is a vector in its file.
type entry struct {
	Name      string          `json:"name"`
	Hex       string          `json:"hex"`
	Meaning   json.RawMessage `json:"meaning"`
	Source    string          `json:"source"`
	Direction string          `json:"direction"`
	Valid     bool            `json:"valid"`
}

//go:embed */*.json
var files embed.FS

// Load returns the vectors of a protocol in the order of their files. A file with an unknown key or a
// vector without name, meaning, source or direction is an error.
func Load(protocol string) ([]Vector, error) {
	names, err := fs.Glob(files, path.Join(protocol, "*.json"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("vectors: no files for %q", protocol)
	}
	var all []Vector
	for _, name := range names {
		vs, err := loadFile(name)
		if err != nil {
			return nil, fmt.Errorf("vectors: %s: %w", name, err)
		}
		all = append(all, vs...)
	}
	return all, nil
}

// Protocols lists the protocols which have vectors.
func Protocols() ([]string, error) {
	dirs, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	names := make([]string, len(dirs))
	for i, d := range dirs {
		names[i] = d.Name()
	}
	return names, nil
}

func loadFile(name string) ([]Vector, error) {
	raw, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var entries []entry
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&entries); err != nil {
		return nil, err
	}
	vs := make([]Vector, len(entries))
	for i, e := range entries {
		if vs[i], err = e.vector(); err != nil {
			return nil, fmt.Errorf("vector %d %q: %w", i, e.Name, err)
		}
	}
	return vs, nil
}

func (e entry) vector() (Vector, error) {
	wire, err := hex.DecodeString(strings.ReplaceAll(e.Hex, " ", ""))
	switch {
	case err != nil:
		return Vector{}, fmt.Errorf("hex: %w", err)
	case e.Name == "" || e.Source == "" || len(e.Meaning) == 0:
		return Vector{}, fmt.Errorf("name, source and meaning are all needed")
	case e.Direction != HostToDevice && e.Direction != DeviceToHost:
		return Vector{}, fmt.Errorf("direction %q, want %s or %s", e.Direction, HostToDevice, DeviceToHost)
	}
	return Vector{
		Name: e.Name, Wire: wire, Meaning: e.Meaning, Source: e.Source, Direction: e.Direction, Valid: e.Valid,
	}, nil
}

// Mean decodes a vector's meaning strictly into v.
func (x Vector) Mean(v any) error {
	dec := json.NewDecoder(bytes.NewReader(x.Meaning))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("vector %q: meaning: %w", x.Name, err)
	}
	return nil
}
