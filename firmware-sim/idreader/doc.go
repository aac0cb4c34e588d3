// Package idreader is a simulated reader of Chinese identity cards with its security module, and the
// cards that people lay on it: it answers the SAM/SDT serial protocol.
//
// It knows the protocol and how cards are laid out, and was written from the documents and not from the
// driver. It must not know what a card is good for. Its cards are invented specimens, so its tape may
// show them.
package idreader
