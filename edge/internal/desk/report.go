package desk

import (
	"context"
	"database/sql"

	"yipiao/sync/ticket"
)

// A Scope is what a report covers: a span of time, and optionally one lane or one device.
type Scope struct {
	FromMs, ToMs int64 // FromMs <= time < ToMs
	Lane, Device string
}

func (s *Scope) conds() conds {
	var c conds
	c.span(s.FromMs, s.ToMs)
	c.add(s.Lane != "", "lane = ?", s.Lane)
	c.add(s.Device != "", "device = ?", s.Device)
	return c
}

// A Report is a shift in figures. Counted refusals count with their number.
type Report struct {
	Scope
	FirstMs, LastMs int64 // of the decisions; 0 if there are none
	Counts          []Count
	Admissions      []Admission
	// Uncertain are the passages that nobody can tell the end of: newest first, at most MaxRows.
	Uncertain []Check
	// Faults and Outages are the whole station's, whatever the scope's lane.
	Faults  []Fault
	Outages []Outage
	// KeptMs is where the kept history begins, when that is later than the scope; else 0.
	KeptMs int64
}

// A Count is how often one answer was given.
type Count struct {
	Outcome ticket.Outcome
	Reason  ticket.Reason
	N       int64
}

// Of sums the counts of an outcome.
func (r *Report) Of(o ticket.Outcome) (n int64) {
	for _, c := range r.Counts {
		if c.Outcome == o {
			n += c.N
		}
	}
	return n
}

// Total is the number of all decisions.
func (r *Report) Total() (n int64) {
	for _, c := range r.Counts {
		n += c.N
	}
	return n
}

// An Admission is how many were let into a session at a lane.
type Admission struct {
	Session ticket.SessionID
	Show    string // "" when the station does not know the session
	Lane    string
	Granted int64 // all
	Back    int64 // of these given back: nobody walked, or annulled
	Unsure  int64 // of these uncertain: counted as entered
}

// Entered is how many admissions stand.
func (a Admission) Entered() int64 { return a.Granted - a.Back }

// A Fault is how often a device reported a state that needs a person.
type Fault struct {
	Subject, State  string
	N               int64
	FirstMs, LastMs int64
}

// An Outage is a time without the cloud. ToMs is 0 while it lasts.
type Outage struct{ FromMs, ToMs int64 }

// Report adds up what stands in the file for the scope.
func (d *Desk) Report(ctx context.Context, s Scope) (Report, error) {
	r := Report{Scope: s}
	if first := d.Status(); first.FirstSeq > 1 && first.FirstMs > s.FromMs {
		r.KeptMs = first.FirstMs
	}
	err := d.ask(ctx, func(ctx context.Context, db *file) error {
		for _, part := range []func(context.Context, *file, *Report) error{
			counts, admissions, uncertain, faults, outages,
		} {
			if err := part(ctx, db, &r); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

func counts(ctx context.Context, db *file, r *Report) (err error) {
	c := r.conds()
	c.add(true, "outcome <> ''")
	r.Counts, err = query(ctx, db, `
		SELECT outcome, reason, sum(times), min(at_ms), max(at_ms)
		FROM checked
		WHERE `+c.String()+`
		GROUP BY outcome, reason
		ORDER BY outcome, sum(times) DESC, reason`, c.args, func(rows *sql.Rows) (n Count, err error) {
		var first, last int64
		err = rows.Scan(&n.Outcome, &n.Reason, &n.N, &first, &last)
		if r.FirstMs == 0 || first < r.FirstMs {
			r.FirstMs = first
		}
		r.LastMs = max(r.LastMs, last)
		return n, err
	})
	return err
}

func admissions(ctx context.Context, db *file, r *Report) (err error) {
	c := r.conds()
	c.add(true, "kind = ?", ticket.FactEntryGranted)
	args := append([]any{PassageLapsed, PassageAnnulled, PassageUncertain}, c.args...)
	r.Admissions, err = query(ctx, db, `
		SELECT coalesce(session, 0), max(show), lane, count(*), sum(passage IN (?, ?)), sum(passage = ?)
		FROM checked
		WHERE `+c.String()+`
		GROUP BY session, lane
		ORDER BY max(show), session, lane
		LIMIT 1000`, args, func(rows *sql.Rows) (a Admission, err error) {
		var id int64
		err = rows.Scan(&id, &a.Show, &a.Lane, &a.Granted, &a.Back, &a.Unsure)
		a.Session = ticket.SessionID(id)
		return a, err
	})
	return err
}

func uncertain(ctx context.Context, db *file, r *Report) (err error) {
	c := r.conds()
	c.add(true, "passage = ?", PassageUncertain)
	r.Uncertain, err = query(ctx, db, `
		SELECT `+checkColumns+`
		FROM checked
		WHERE `+c.String()+`
		ORDER BY at_ms DESC, seq DESC
		LIMIT ?`, append(c.args, MaxRows), scanCheck)
	return err
}

// stateFine is the state of a device that needs nobody; ends of alarms end so as well.
const (
	stateFine = "ok"
	overSign  = "%\\_over"
)

func faults(ctx context.Context, db *file, r *Report) (err error) {
	var c conds
	c.span(r.FromMs, r.ToMs)
	c.add(true, "kind = ?", ticket.FactDeviceStatus)
	c.add(true, "state <> ?", stateFine)
	c.add(true, `state NOT LIKE ? ESCAPE '\'`, overSign)
	r.Faults, err = query(ctx, db, `
		SELECT subject, state, count(*), min(at_ms), max(at_ms)
		FROM event
		WHERE `+c.String()+`
		GROUP BY subject, state
		ORDER BY subject, state
		LIMIT ?`, append(c.args, MaxRows), func(rows *sql.Rows) (f Fault, err error) {
		return f, rows.Scan(&f.Subject, &f.State, &f.N, &f.FirstMs, &f.LastMs)
	})
	return err
}

// reaches reports whether the uplink's state says that the cloud answers, be it over a backup line.
func reaches(state string) bool { return state == "online" || state == "backup" }

// outages pairs the changes of the uplink. One that began before the span begins with it.
func outages(ctx context.Context, db *file, r *Report) error {
	var before conds
	before.add(true, "kind = ?", ticket.FactUplinkChanged)
	before.span(0, r.FromMs)
	last, err := listEvents(ctx, db, before, "DESC", 1)
	if err != nil {
		return err
	}
	var c conds
	c.add(true, "kind = ?", ticket.FactUplinkChanged)
	c.span(r.FromMs, r.ToMs)
	changes, err := listEvents(ctx, db, c, "ASC", 10*MaxRows)
	if err != nil {
		return err
	}
	open := len(last) > 0 && !reaches(last[0].State)
	from := r.FromMs
	for i := range changes {
		switch up := reaches(changes[i].State); {
		case open && up:
			r.Outages, open = append(r.Outages, Outage{from, changes[i].AtMs}), false
		case !open && !up:
			open, from = true, changes[i].AtMs
		}
	}
	if open {
		r.Outages = append(r.Outages, Outage{FromMs: from})
	}
	return nil
}
