package desk

import "context"

// Settle writes what is there and removes what the journal no longer keeps, in place of Run.
func (d *Desk) Settle(ctx context.Context) error {
	if err := d.prepare(ctx); err != nil {
		return err
	}
	for n := 1; n > 0; {
		var err error
		if n, err = d.batch(ctx); err != nil {
			return err
		}
	}
	if err := d.trim(ctx); err != nil {
		return err
	}
	return d.shut()
}
