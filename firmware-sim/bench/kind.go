package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// kinds are the things that can stand on a bench. To add one, write a file like turnstile.go and a line here.
var kinds = []kind{
	kindOf("scanner", serial, buildScanner),
	kindOf("scannerline", serial, buildScannerLine),
	kindOf("scannerssi", serial, buildScannerSSI),
	kindOf("scannerhid", usb, buildScannerHID),
	kindOf("scannerwedge", usb, buildScannerWedge),
	kindOf("idreader", serial, buildIDReader),
	kindOf("mrzreader", serial, buildMRZReader),
	kindOf("rfid", serial, buildRFID),
	kindOf("printer", serial, buildPrinter),
	reading(parseTurnstile, kindOf("turnstile", serial, buildTurnstile)),
	reading(parseRelayBoard, kindOf("relayboard", serial, buildRelayBoard)),
	reading(parseTPWGate, kindOf("tpwgate", serial, buildTPWGate)),
	reading(parseTripod, kindOf("tripod", serial, buildTripod)),
	kindOf("handheld", none, buildHandheld),
}

// A plugs says where the line of a kind of thing can be.
type plugs int

const (
	serial plugs = iota // a pseudo-terminal, TCP, or inside the process
	usb                 // inside the process only: a pseudo-terminal is no HID device
	none                // it has no line
)

// A kind is one kind of thing.
type kind struct {
	name  string
	plugs plugs
	parse func(raw []byte) (settings any, err error) // strict
	is    func(settings any) bool
	build func(settings any, rec tape.Recorder) (thing, error)
}

// kindOf makes a kind out of the settings of its package and what builds a thing from them. The settings are
// read from JSON: the keys of a device besides the common ones.
func kindOf[S any](name string, p plugs, build func(S, tape.Recorder) (thing, error)) kind {
	return kind{
		name: name, plugs: p,
		parse: func(raw []byte) (any, error) {
			var s S
			err := strict(raw, &s)
			return s, err
		},
		is: func(settings any) bool { _, ok := settings.(S); return ok },
		build: func(settings any, rec tape.Recorder) (thing, error) {
			return build(settings.(S), rec)
		},
	}
}

// reading replaces how settings are read, for a package whose settings are no JSON.
func reading[S any](parse func(raw []byte) (S, error), k kind) kind {
	k.parse = func(raw []byte) (any, error) { return parse(raw) }
	return k
}

// A thing is one simulated thing as the bench runs it.
type thing struct {
	model  any                         // what Find returns
	device board.Device                // what is on its line; nil where it has none
	run    func(context.Context) error // its life apart from its line; nil where it has none
	state  func() any                  // becomes JSON
	acts   []Act                       // besides those of its plug
	now    []error                     // what its acts return where something is not possible at the moment

	pipe     func(gone error) (host, device board.Conn) // the cable inside the process; nil is board.Pipe
	describe func(sent bool, p []byte) string           // of a device which does not put its messages on the tape itself
	line     func() board.State                         // where it has no line: how its connection is
}

// An Act is something that people or fate do to a thing.
type Act struct {
	Name string `json:"name"`
	Does string `json:"does"` // a line for people, Chinese first
	Keys []Key  `json:"keys,omitempty"`

	do func(ctx context.Context, raw []byte) error
}

// A Key is one argument of an act.
type Key struct {
	Name string `json:"name"`
	Type string `json:"type"` // Text, Number, YesNo or JSON
}

// Types of keys.
const (
	Text   = "text"
	Number = "number"
	YesNo  = "yes/no"
	JSON   = "json" // a list or an object
)

// act makes an act whose arguments are the fields of A with JSON names.
func act[A any](name, does string, do func(ctx context.Context, a A) error) Act {
	return Act{
		Name: name, Does: does, Keys: keysOf(reflect.TypeFor[A]()),
		do: func(ctx context.Context, raw []byte) error {
			var a A
			if len(bytes.TrimSpace(raw)) > 0 {
				if err := strict(raw, &a); err != nil {
					return err
				}
			}
			return do(ctx, a)
		},
	}
}

// nothing are the arguments of an act without any.
type nothing struct{}

// plain makes an act without arguments that cannot fail.
func plain(name, does string, do func()) Act {
	return act(name, does, func(context.Context, nothing) error { do(); return nil })
}

func keysOf(t reflect.Type) []Key {
	var keys []Key
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		k := Key{Name: name, Type: JSON}
		switch kindUnder(f.Type) {
		case reflect.String:
			k.Type = Text
		case reflect.Bool:
			k.Type = YesNo
		case reflect.Int, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Int64:
			k.Type = Number
		}
		keys = append(keys, k)
	}
	return keys
}

// kindUnder looks through a pointer, which stands for a value that may be left out.
func kindUnder(t reflect.Type) reflect.Kind {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind()
}

// strict reads one JSON object and refuses keys which v does not have.
func strict(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

func findKind(is func(kind) bool) (kind, error) {
	for _, k := range kinds {
		if is(k) {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("want one of %s", kindNames())
}
