package replicatest

import (
	"crypto/ed25519"
	"fmt"

	"yipiao/sync/ticket"
)

// signedFrom is the first ticket of the session that admits on the signature.
const signedFrom ticket.TicketID = 900

var (
	signer = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public = signer[ed25519.SeedSize:]
)

func aSession(id ticket.SessionID, signed bool) ticket.Session {
	return ticket.Session{
		ID: id, Code: ticket.SessionCode(fmt.Sprintf("1101010010120261125%02d", id)), Type: "1001", Name: "样例话剧", Hall: 1, HallName: "一厅",
		StartMs: 1, EndMs: 400_000, AdmitFromMs: 1, AdmitToMs: 300_000, Status: ticket.SessionPlanned,
		Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree, SignedEntry: signed,
	}
}

func payload(id ticket.TicketID, in ticket.SessionID) string {
	c := ticket.Credential{Key: 1, Tenant: Tenant, Session: in, Group: 1, Ticket: id, Number: 1}
	c.Sign(signer)
	return c.Text()
}

func aTicket(id ticket.TicketID, in ticket.SessionID, ver uint64, r ticket.Right) ticket.Ticket {
	if id >= signedFrom {
		in = 2
	}
	return ticket.Ticket{
		ID: id, Session: in, Group: 1, Ver: ver, Type: ticket.TypeNormal, Seat: "1排1座", Order: "O1", Status: ticket.StatusValid,
		Code: ticket.TicketCode(fmt.Sprintf("1101010010120261125%02d%09d", in, id)), Holder: "*三", Cred: 1,
		CredHash: ticket.PayloadHash(payload(id, in)), Entry: r,
	}
}
