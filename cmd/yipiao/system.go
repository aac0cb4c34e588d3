package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// A system is where the parts of `yipiao run` are and what it takes to ask them. It is kept in
// demo/system.json, readable by its owner only, because it holds the passwords of this demonstration.
type system struct {
	Ports     ports   `json:"ports"`
	Cloud     account `json:"cloud"`    // operator
	Station   account `json:"station"`  // technician
	ToolToken string  `json:"tool"`     // may read the station
	Handheld  string  `json:"handheld"` // token of a handheld that may check at the lanes
	Code      string  `json:"code,omitempty"`

	dir string
}

type account struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// ports are all on loopback, counted from a base.
type ports struct {
	Base int `json:"base"`
}

func (p ports) at(offset int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Base+offset))
}

func (p ports) stationLAN() string   { return p.at(443) }
func (p ports) stationPlain() string { return p.at(80) }
func (p ports) cloudWeb() string     { return p.at(543) }
func (p ports) cloudPlain() string   { return p.at(81) }
func (p ports) cloudSync() string    { return p.at(643) }
func (p ports) wan() string          { return p.at(644) } // what the station calls; a line that can be cut

func (s *system) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *system) file() string      { return s.path("demo", "system.json") }
func (s *system) wallet() string    { return s.path("demo", "wallet.jsonl") }
func (s *system) simSocket() string { return s.path("sim", "control.sock") }
func (s *system) cloudDir() string  { return s.path("cloud") }
func (s *system) stationDir() string {
	return s.path("station")
}

// loadSystem reads what an earlier `yipiao run` has written.
func loadSystem(dir string) (*system, error) {
	s := &system{dir: dir}
	text, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s 里没有运行过的系统：先运行 make run (nothing was started there yet)", dir)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	return s, nil
}

func (s *system) save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := s.file() + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.file())
}
