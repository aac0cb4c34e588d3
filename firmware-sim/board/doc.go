// Package board is what a simulated device is built on: its end of the line (a pseudo-terminal with a
// stable name, a TCP address, or a pipe inside the process), a plug that can be pulled, and faults that can be set.
//
// It knows bytes. It must not know protocols, and shares no code with the drivers.
package board
