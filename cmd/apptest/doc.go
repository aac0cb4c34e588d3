// Package apptest runs the real programs from outside: the whole system as `make run` starts it, the
// story that `yipiao demo` tells, and the loop that kills the station at random instants.
//
// It uses only what a user has: the programs, their output and their interfaces. It must not import
// what is inside edge or cloud.
package apptest
