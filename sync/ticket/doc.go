// Package ticket is the vocabulary and the pure rules that station and cloud must agree on:
// codes, sessions, tickets, rights, credentials, verdicts and the decision itself (Check).
//
// Everything here is a value or a pure function with the time as a parameter. The package must not
// know storage, transport, devices, clocks or logging, and imports nothing of ours. Identifiers
// follow the glossary of the requirements register; times are Unix milliseconds, shown in
// Asia/Shanghai; money is integer fen.
package ticket
