// Package zpl drives label and ticket printers that speak ZPL: it prints pages as one graphic field, keeps
// the printer's status live with ~HS, and takes a ticket for printed when ~HS says so.
//
// It knows the language of docs/protocols/zpl.md. It must not know tickets, lanes or how ports are opened.
package zpl
