package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"yipiao/firmware-sim/board"
)

// Errors of an act.
var (
	// ErrRequest is returned where what is asked for makes no sense.
	ErrRequest = errors.New("bench: bad request")
	// ErrNow is returned where it makes sense but is not possible at the moment.
	ErrNow = errors.New("bench: not possible now")
)

// always are what an act of any device returns where something is not possible at the moment.
var always = []error{board.ErrUnplugged, board.ErrNobody, os.ErrClosed, os.ErrDeadlineExceeded}

// plugActs are the acts of every device with a line.
func plugActs(b *board.Board) []Act {
	return []Act{
		plain("unplug", "拔出 / its plug is pulled", b.Unplug),
		plain("replug", "插回 / its plug is put back", b.Replug),
		act("faults", "线路毛病，不写即痊愈 / what is wrong with its line; what is not named is healed",
			func(_ context.Context, f board.Faults) error {
				if err := f.Validate(); err != nil {
					return err
				}
				b.SetFaults(f)
				return nil
			}),
	}
}

// Acts lists what can be done to a device. The error is ErrUnknown.
func (b *Bench) Acts(name string) ([]Act, error) {
	d, err := b.find(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(d.acts), nil
}

// Act does something to a device; args is a JSON object, or empty. It returns when it has been done, which for a
// scan is when its bytes have been sent. The error is ErrUnknown, ErrKind for an act that this kind of device does
// not have, ErrRequest, ErrNow, or that of ctx.
func (b *Bench) Act(ctx context.Context, name, act string, args []byte) error {
	d, err := b.find(name)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range d.acts {
		if a.Name == act {
			return d.sort(ctx, a.do(ctx, args))
		}
		names = append(names, a.Name)
	}
	return fmt.Errorf("%w: %q is a %s and has no act %q; it has %s", ErrKind, name, d.kind, act, strings.Join(names, ", "))
}

// sort says of an act's error whether it lies in what was asked for or in the moment.
func (d *device) sort(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	for _, now := range slices.Concat(always, d.now) {
		if errors.Is(err, now) {
			return fmt.Errorf("%w: %w", ErrNow, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrRequest, err)
}
