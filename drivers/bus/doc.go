// Package bus lets several devices share one RS-485 line: it hands out views of one open port and decides
// whose turn it is.
//
// It knows ports, turns and the silence between frames. It opens nothing and must not know any protocol, nor
// which devices there are. docs/protocols/bus.md says how a line is planned.
package bus
