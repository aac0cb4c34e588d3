// Package hil tests the ports and whole drivers over the kernel's own USB stack (`make hil`): the real
// karalabe/hid, cdc-acm, usblp and evdev, with simulated devices on virtual buses. It has tests only.
//
// It knows how a virtual machine gives a test USB devices: vhci_hcd, fed by package usbip, and dummy_hcd with
// gadgets. The test program is the init of that machine; started in any other way it does nothing, because
// plugging devices into the machine of whoever runs the tests is nothing a test may do.
package hil
