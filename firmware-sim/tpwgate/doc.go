// Package tpwgate is a simulated swing gate with the TPW-321ASP control board: modes, counters, parameters, and a
// visitor who walks through or not.
//
// It knows the board's side of the line, written from the manual and not from the driver. It must not know tickets or
// stations.
package tpwgate
