package decisions

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"yipiao/sync/ticket"
)

// Fixed identities of every world.
const (
	Tenant     ticket.TenantID  = 7
	Self       ticket.StationID = 1
	Other      ticket.StationID = 2
	Hall       ticket.HallID    = 1
	Studio     ticket.HallID    = 2
	TheID      ticket.TicketID  = 4001
	Shown      ticket.SessionID = 301
	Another    ticket.SessionID = 302
	GoodKey    ticket.KeyID     = 1
	RevokedKey ticket.KeyID     = 2 // withdrawn
	MissingKey ticket.KeyID     = 3 // never published
)

// A World is what the cloud has published and what stands at the doors, for one row.
type World struct {
	Row      *Row
	Session  ticket.Session
	Other    ticket.Session // the other session of the same hall
	Ticket   ticket.Ticket
	Groups   []ticket.GateGroup
	Keys     []ticket.SignKey
	Lanes    map[string]ticket.Lane // by name; Now is filled in by the station
	Payload  string                 // what the reader reads
	HistCode string                 // the current credential, which earlier requests showed
}

// NewWorld builds the world of a row around now.
func NewWorld(r *Row, now time.Time) (*World, error) {
	w := &World{Row: r}
	var err error
	if w.Session, err = r.session(now); err != nil {
		return nil, err
	}
	if w.Other, err = other(r, now); err != nil {
		return nil, err
	}
	w.Groups = groups()
	for id := GoodKey; id <= RevokedKey; id++ {
		pub, _ := signer(id).Public().(ed25519.PublicKey)
		w.Keys = append(w.Keys, ticket.SignKey{ID: id, Alg: "Ed25519", Public: pub, Revoked: id == RevokedKey})
	}
	current := w.credential(GoodKey, r.Cred, 1)
	w.HistCode = current.Text()
	w.Ticket = ticket.Ticket{
		ID: TheID, Session: Shown, Group: r.Group, Ver: 1, Code: ticket.TicketCode(string(w.Session.Code) + "000004001"),
		Type: r.Type, Seat: "1层 A区 12排 08座", Holder: "*三", Order: "O-1", Status: r.Status, Cred: r.Cred,
		StatusMs: now.Add(-time.Hour).UnixMilli(), CredHash: ticket.PayloadHash(w.HistCode),
		Entry: ticket.Right{Custody: ticket.CustodyGranted, Gen: 1, Max: r.Max},
	}
	w.Lanes = lanes()
	w.Payload, err = w.payload()
	return w, err
}

// signer derives a fixed private key per key id, so that worlds are reproducible.
func signer(id ticket.KeyID) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(id)
	return ed25519.NewKeyFromSeed(seed)
}

func (w *World) credential(key ticket.KeyID, number uint16, random byte) ticket.Credential {
	c := ticket.Credential{
		Key: key, Tenant: Tenant, Session: Shown, Group: w.Row.Group, Ticket: TheID, Number: number,
		Random: [8]byte{random},
	}
	c.Sign(signer(key))
	return c
}

// payload is what the reader reads, by the row's Present.
func (w *World) payload() (string, error) {
	n := w.Row.Cred
	switch w.Row.Present {
	case "exact":
		return w.HistCode, nil
	case "old": // the credential before the current one
		c := w.credential(GoodKey, n-1, 1)
		return c.Text(), nil
	case "newer": // a credential that the station has not heard of
		c := w.credential(GoodKey, n+1, 1)
		return c.Text(), nil
	case "twin": // same number, other random bits: made by a thief of the signing key
		c := w.credential(GoodKey, n, 9)
		return c.Text(), nil
	case "tampered": // one bit of the current one changed
		c := w.credential(GoodKey, n, 1)
		c.Sig[10] ^= 1
		return c.Text(), nil
	case "foreign": // of another tenant
		c := w.credential(GoodKey, n, 1)
		c.Tenant++
		c.Sign(signer(GoodKey))
		return c.Text(), nil
	case "unknown_key":
		c := w.credential(MissingKey, n, 2)
		return c.Text(), nil
	case "revoked_key":
		c := w.credential(RevokedKey, n, 2)
		return c.Text(), nil
	case "garbage":
		return "https://example.org/ticket/4001", nil
	case "lower": // a keyboard wedge with the wrong case
		return "yp1:" + w.HistCode[4:], nil
	case "cut": // the last character is missing
		return w.HistCode[:len(w.HistCode)-1], nil
	case "long": // 300 bytes
		return fmt.Sprintf("%s%0300d", w.HistCode, 0)[:300], nil
	case "empty":
		return " ", nil
	}
	return "", fmt.Errorf("row %q presents %q, which nobody knows", w.Row.Name, w.Row.Present)
}

func groups() []ticket.GateGroup {
	return []ticket.GateGroup{
		{ID: 1, Hall: Hall, HallName: "大剧场", Name: "1号门", Home: Self},
		{ID: 2, Hall: Hall, HallName: "大剧场", Name: "2号门", Home: Self},
		{ID: 3, Hall: Hall, HallName: "大剧场", Name: "3号门", Home: Other},
		{ID: 4, Hall: Studio, HallName: "小剧场", Name: "小剧场门", Home: Self},
	}
}

func lanes() map[string]ticket.Lane {
	door := []ticket.GateGroupID{1}
	return map[string]ticket.Lane{
		"door":    {Name: "door", Open: true, Entry: true, Hall: Hall, Groups: door},
		"side":    {Name: "side", Open: true, Entry: true, Hall: Hall, Groups: []ticket.GateGroupID{2}},
		"third":   {Name: "third", Open: true, Entry: true, Hall: Hall, Groups: []ticket.GateGroupID{1, 2, 3}},
		"studio":  {Name: "studio", Open: true, Entry: true, Exit: true, Hall: Studio, Groups: []ticket.GateGroupID{4}},
		"way-out": {Name: "way-out", Open: true, Exit: true, Hall: Hall, Groups: door},
		"both":    {Name: "both", Open: true, Entry: true, Exit: true, Hall: Hall, Groups: door},
		"service": {Name: "service", Open: true, Entry: true, Exit: true, Hall: Hall, Groups: []ticket.GateGroupID{1, 2, 3}}, // where History happens
		"closed":  {Name: "closed", Entry: true, Exit: true, Hall: Hall, Groups: door},
	}
}

func (r *Row) session(now time.Time) (ticket.Session, error) {
	at := func(min *int) int64 { return now.Add(time.Duration(*min) * time.Minute).UnixMilli() }
	s := ticket.Session{
		ID: Shown, Type: "1001", Name: "样例话剧", Hall: Hall, HallName: "大剧场",
		StartMs: at(r.Start), EndMs: at(r.End), AdmitFromMs: at(r.From), AdmitToMs: at(r.To),
		Status: ticket.SessionPlanned, Mode: r.Mode, Reentry: r.Reentry, SignedEntry: r.Signed,
	}
	if r.Cancelled {
		s.Status = ticket.SessionCancelled
	}
	var err error
	s.Code, err = ticket.NewSessionCode("11010100101", ticket.Time(s.StartMs), 1)
	return s, err
}

func other(r *Row, now time.Time) (ticket.Session, error) {
	from := now.Add(24 * time.Hour)
	if r.OtherNow {
		from = now.Add(-10 * time.Minute)
	}
	s := ticket.Session{
		ID: Another, Type: "2001", Name: "样例音乐会", Hall: Hall, HallName: "大剧场",
		StartMs: from.Add(30 * time.Minute).UnixMilli(), EndMs: from.Add(2 * time.Hour).UnixMilli(),
		AdmitFromMs: from.UnixMilli(), AdmitToMs: from.Add(time.Hour).UnixMilli(),
		Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryNone,
	}
	var err error
	s.Code, err = ticket.NewSessionCode("11010100101", ticket.Time(s.StartMs), 2)
	return s, err
}
