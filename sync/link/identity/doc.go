// Package identity says who a party is: the certificates of the deployment (architecture.md section
// 5), their names, the checks that a role fits its issuer, and the one-time enrolment code.
//
// It must not know what a party may do (a registry row says that), where keys are kept, or what
// travels over a connection. Everything is a value or a pure function with the time as a parameter;
// all of it is safe for concurrent use.
package identity
