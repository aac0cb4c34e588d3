package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"yipiao/edge/internal/clock"
	"yipiao/edge/internal/enrol"
	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// Technician is the account that enrolment makes.
const Technician = "技术员"

// Enrolled says what enrolment made. The password is shown once and kept nowhere.
type Enrolled struct {
	Station  ticket.StationID
	Venue    string
	Account  string
	Password string
}

// ErrNotEnrolled is returned by New for a data directory without an identity.
var ErrNotEnrolled = enrol.ErrNotEnrolled

// ErrEnrolled is returned by Enroll for a data directory that has one.
var ErrEnrolled = enrol.ErrEnrolled

// Enroll makes the machine with this data directory a station, with a one-time code from the cloud,
// and makes the technician's account with a random password. It can be repeated after a failure.
func Enroll(ctx context.Context, dir, code string) (Enrolled, error) {
	id, err := enrol.Enrol(ctx, dir, code)
	again := errors.Is(err, ErrEnrolled)
	if again {
		id, err = enrol.Load(dir) // an earlier attempt may have stopped before it made the account
	}
	if err != nil {
		return Enrolled{}, err
	}
	l, err := openLedger(Config{Data: dir}, id, clock.New(id.Enrolled, nil), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return Enrolled{}, err
	}
	people, err := fleet.Open(l, time.Now)
	if err != nil {
		return Enrolled{}, errors.Join(err, l.Close())
	}
	if again && people.HasAccounts() {
		return Enrolled{}, errors.Join(ErrEnrolled, l.Close())
	}
	out := Enrolled{Station: id.Station, Venue: id.Venue, Account: Technician}
	if out.Password, err = people.AddAccount(Technician, "technician"); err == nil {
		_, err = l.Note(ctx, ticket.FactOperatorAction, ticket.Note{Subject: "enrolment", State: "account_added", Text: Technician})
	}
	if err = errors.Join(err, l.Close()); err != nil {
		return Enrolled{}, fmt.Errorf("enrol: %w", err)
	}
	return out, nil
}

var _ ledger.Clock = (*clock.Clock)(nil)
