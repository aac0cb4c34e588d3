// Package console is the cloud's page for the operator: one live overview of the stations, of what
// they have reported, and of what could not be applied.
//
// It knows how to say the cloud's state in words. It must not know databases, the protocol to the
// stations, or accounts: all of it is handed in. It never shows a ticket code.
package console
