// Package escpos drives ESC/POS receipt printers: it prints pages as raster, keeps the printer's status
// live (automatic status back, and DLE EOT), and proves by GS ( H or GS r that a ticket is out.
//
// It knows the language of docs/protocols/escpos.md. It must not know tickets, lanes or how ports are
// opened.
package escpos
