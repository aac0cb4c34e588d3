// Package turnstile is a simulated turnstile of the LOT family: a Modbus RTU slave with the maker's
// register map, arms that open for permits, sensors, counters, and a visitor who walks through or not.
//
// It knows the turnstile's side of the line, with its own slave and its own checksum, written from the
// manual and not from the driver. It must not know tickets or stations.
package turnstile
