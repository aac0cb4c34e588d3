// Package maint is the station's page for the technician: one live overview of what the station does,
// how old its data is, and what is not in order.
//
// It knows how to say a station's state in words. It must not know how that state comes about, open
// devices, decide about tickets, or keep accounts: all of it is handed in. It never shows a ticket
// code, and of a holder only the masked name.
package maint
