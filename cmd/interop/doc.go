// Package interop holds the station's drivers and the simulated devices against parts that nobody here wrote:
// libmodbus, mbpoll and zbar.
//
// It is test code. It needs the Debian packages that `make deps-test` installs; one that is missing fails the test
// and is named.
package interop
