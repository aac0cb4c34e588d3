// Package tspl drives label and ticket printers that speak TSPL (TSC, Gprinter and many others): it prints
// pages as bitmaps, keeps the printer's status live, and takes a ticket for printed when the printer was
// seen to print it and is idle again without a fault.
//
// It knows the language of docs/protocols/tspl.md. It must not know tickets, lanes or how ports are opened.
package tspl
