// Package archtest holds the architecture as tests: the import table of docs/ARCHITECTURE.md and the
// rules that the house style can state exactly. It reads source files and must not import what it judges.
package archtest
