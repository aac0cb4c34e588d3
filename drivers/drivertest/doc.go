// Package drivertest holds what every driver must do, as tests that each driver runs against its
// simulator: the contracts of drivers.Device, drivers.Gate and drivers.Printer, and the situations on a line that
// all have to cope with.
//
// It knows the contracts of packages drivers and port. It must not know any protocol: a driver's test
// hands it a Bench. Each check runs in a testing/synctest bubble, whose clock moves only while all wait.
package drivertest
