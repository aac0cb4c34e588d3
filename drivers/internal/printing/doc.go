// Package printing is what printer drivers have in common: a session that owns the port, reads all the
// time, sends a job piece by piece while it listens, and tells status and health.
//
// It knows drivers.Printer and drivers.PrinterStatus. It must not know any printer's language: a driver
// hands it a Language.
package printing
