// Package sample holds ticket faces to begin with, for a show, a cinema and a coach, each with every field
// of SHOW-6.2.1.2, and values to try them with.
//
// It knows faces. It must not know tickets: the values are invented, and the credentials among them are
// signed with a key that nobody trusts.
package sample

import (
	"embed"
	"encoding/json"
	"fmt"

	"yipiao/drivers/face"
)

//go:embed *.json
var files embed.FS

// Names lists the faces.
func Names() []string { return []string{"show", "cinema", "coach"} }

// Face returns a face and values to try it with.
func Face(name string) (*face.Face, face.Values, error) {
	f := new(face.Face)
	if err := read(name+".json", f); err != nil {
		return nil, nil, err
	}
	var all map[string]face.Values
	if err := read("values.json", &all); err != nil {
		return nil, nil, err
	}
	return f, all[name], nil
}

func read(file string, v any) error {
	raw, err := files.ReadFile(file)
	if err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("sample: %s: %w", file, err)
	}
	return nil
}
