// Package relayboard is a simulated Modbus relay board (Waveshare or LC-Tech) with a gate on its contacts: relays that
// pulse by the board's own timer, inputs for who passed, alarm and fire, and a visitor who walks through or not.
//
// It knows the board's side of the line, written from the makers' pages and not from the driver. It must not know
// tickets or stations.
package relayboard
