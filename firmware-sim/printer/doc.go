// Package printer is a simulated ticket printer that speaks ESC/POS, Boca FGL, ZPL or TSPL, and shows what
// it was sent as pictures.
//
// It knows the languages from docs/protocols and the makers' manuals, and was written from them and not
// from the drivers: letters, codes and graphics are its own. It must not know what a ticket means.
package printer
