// Package tripod is a simulated AC-ATRI-018 tripod: it takes commands, opens for one person, and sends nothing.
//
// It knows the tripod's side of the line, written from the manual and not from the driver. It must not know tickets or
// stations.
package tripod
