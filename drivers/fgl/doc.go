// Package fgl drives Boca ticket printers: it prints pages as FGL graphics and proves each ticket by the
// printer's own acknowledgement.
//
// It knows the language of docs/protocols/fgl.md. It must not know tickets, lanes or how ports are opened.
package fgl
