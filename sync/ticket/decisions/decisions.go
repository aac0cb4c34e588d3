// Package decisions is the decision table: one data file that says, for every state that exists,
// what the answer at the gate must be. The same rows run against the pure rules, the station in
// process and the station over its LAN API; later work adds its rows to table.json.
//
// It builds worlds out of rows. It must not know how a station or a cloud stores them.
package decisions

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"yipiao/sync/ticket"
)

//go:embed table.json
var tableJSON []byte

// A Row is one line of the table: what differs from the ordinary world (World), and the answer.
// Times are minutes from the moment of the request.
type Row struct {
	Name    string   `json:"name"`
	Refs    []string `json:"refs,omitempty"`    // requirement ids
	Present string   `json:"present,omitempty"` // what the reader reads: see World.Payload; default "exact"
	Kind    string   `json:"kind,omitempty"`    // entry (default) or exit
	History []string `json:"history,omitempty"` // entry, exit, lapsed, uncertain, pending: earlier requests for the same ticket

	HistoryAt     int                `json:"history_at,omitempty"`     // minutes from now at which History happened, 0 or less
	Absent        bool               `json:"absent,omitempty"`         // the station has not received the ticket
	SessionAbsent bool               `json:"session_absent,omitempty"` // nor its session
	GroupAbsent   bool               `json:"group_absent,omitempty"`   // nor its gate group
	NotCaughtUp   bool               `json:"not_caught_up,omitempty"`  // the feed was not read to its head since the session came
	Unreadable    bool               `json:"unreadable,omitempty"`     // an entry of an unknown kind names the ticket
	Status        ticket.Status      `json:"status,omitempty"`
	Type          ticket.TicketType  `json:"type,omitempty"`
	Max           uint16             `json:"max,omitempty"`     // entries allowed; default 1
	Cred          uint16             `json:"cred,omitempty"`    // number of the current credential; default 2
	Group         ticket.GateGroupID `json:"group,omitempty"`   // the ticket's gate group; default 1
	Custody       string             `json:"custody,omitempty"` // granted (default), cloud, recalled

	From      *int             `json:"from,omitempty"`  // session: admission begins, default -30
	Start     *int             `json:"start,omitempty"` // default 10
	To        *int             `json:"to,omitempty"`    // default 60
	End       *int             `json:"end,omitempty"`   // default 150
	Cancelled bool             `json:"cancelled,omitempty"`
	Mode      ticket.CheckMode `json:"mode,omitempty"` // default lan
	Reentry   ticket.Reentry   `json:"reentry,omitempty"`
	Signed    bool             `json:"signed,omitempty"` // offline_signed_entry = on
	OtherNow  bool             `json:"other_now,omitempty"`
	Lane      string           `json:"lane,omitempty"`   // door (default), side, studio, way-out, closed, both
	Device    string           `json:"device,omitempty"` // permitted (default) or stranger
	Clock     string           `json:"clock,omitempty"`  // trusted (default) or untrusted
	Nonce     string           `json:"nonce,omitempty"`  // fresh (default), repeat, reuse: of the last request in History
	Want      Want             `json:"want"`
}

// Want is the answer a row demands.
type Want struct {
	Reason  ticket.Reason  `json:"reason"`
	Outcome ticket.Outcome `json:"outcome"`
	N       uint16         `json:"n,omitempty"`
	Of      uint16         `json:"of,omitempty"`
	Used    int            `json:"used"` // uses of the right afterwards
}

// Table returns the rows of table.json, decoded strictly.
func Table() ([]Row, error) {
	dec := json.NewDecoder(bytes.NewReader(tableJSON))
	dec.DisallowUnknownFields()
	var rows []Row
	if err := dec.Decode(&rows); err != nil {
		return nil, fmt.Errorf("decision table: %w", err)
	}
	seen := make(map[string]bool)
	for i := range rows {
		r := &rows[i]
		r.fill()
		switch {
		case seen[r.Name]:
			return nil, fmt.Errorf("decision table: two rows are called %q", r.Name)
		case !r.Want.Reason.Known():
			return nil, fmt.Errorf("decision table: row %q wants unknown reason %q", r.Name, r.Want.Reason)
		case r.Want.Outcome != r.Want.Reason.Outcome():
			return nil, fmt.Errorf("decision table: row %q wants outcome %q, the reason means %q", r.Name, r.Want.Outcome, r.Want.Reason.Outcome())
		}
		seen[r.Name] = true
	}
	return rows, nil
}

func (r *Row) fill() {
	set(&r.Present, "exact")
	set(&r.Kind, string(ticket.RequestEntry))
	set(&r.Status, ticket.StatusValid)
	set(&r.Type, ticket.TypeNormal)
	set(&r.Max, 1)
	set(&r.Cred, 2)
	set(&r.Group, 1)
	set(&r.Custody, string(ticket.CustodyGranted))
	set(&r.Mode, ticket.CheckModeLAN)
	set(&r.Reentry, ticket.ReentryNone)
	set(&r.Lane, "door")
	set(&r.Device, "permitted")
	set(&r.Clock, "trusted")
	set(&r.Nonce, "fresh")
	for _, t := range []struct {
		at  **int
		def int
	}{{&r.From, -30}, {&r.Start, 10}, {&r.To, 60}, {&r.End, 150}} {
		if *t.at == nil {
			v := t.def
			*t.at = &v
		}
	}
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
