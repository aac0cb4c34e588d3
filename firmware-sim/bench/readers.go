package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"yipiao/firmware-sim/idreader"
	"yipiao/firmware-sim/mrzreader"
	"yipiao/firmware-sim/rfid"
	"yipiao/firmware-sim/tape"
)

// layCardArgs lay a card on an ID reader: an invented one by name, or one with all that is written in it.
type layCardArgs struct {
	Specimen string         `json:"specimen"`
	Card     *idreader.Card `json:"card"`
	StayMs   int            `json:"stay_ms"` // lifted again then, too early or not; 0 leaves it
}

func buildIDReader(s idreader.Settings, rec tape.Recorder) (thing, error) {
	r, err := idreader.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{
		model: r, device: r, state: func() any { return r.State() },
		acts: []Act{
			act("lay", "放上证件：specimen 为 "+strings.Join(idreader.Specimens(), "、")+" 之一；stay_ms 后取走 / a card is laid on it",
				func(_ context.Context, a layCardArgs) error { return layCard(r, a) }),
			plain("lift", "取走证件 / the card is lifted", r.Lift),
			act("module", "安全模块状态，0 为正常 / status of the security module, 0 is well", func(_ context.Context, a struct {
				Status byte `json:"status"`
			}) error {
				r.SetModuleStatus(a.Status)
				return nil
			}),
		},
	}, nil
}

func layCard(r *idreader.Reader, a layCardArgs) error {
	if a.StayMs < 0 {
		return fmt.Errorf("stay_ms %d is negative", a.StayMs)
	}
	switch {
	case (a.Specimen == "") == (a.Card == nil):
		return errors.New("want either specimen or card")
	case a.Card != nil:
		return r.Lay(*a.Card, ms(a.StayMs))
	}
	card, err := idreader.Specimen(a.Specimen)
	if err != nil {
		return err
	}
	return r.Lay(card, ms(a.StayMs))
}

// layDocumentArgs lay a document on an MRZ reader: an invented one by name, or any lines.
type layDocumentArgs struct {
	Specimen string   `json:"specimen"`
	Lines    []string `json:"lines"`
}

func buildMRZReader(s mrzreader.Settings, rec tape.Recorder) (thing, error) {
	r, err := mrzreader.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{
		model: r, device: r, state: func() any { return r.State() }, now: []error{mrzreader.ErrAsleep},
		acts: []Act{
			act("lay", "放上证件：specimen 为 "+strings.Join(mrzreader.Specimens(), "、")+" 之一，或 lines / a document is laid on it",
				func(ctx context.Context, a layDocumentArgs) error {
					if (a.Specimen == "") == (len(a.Lines) == 0) {
						return errors.New("want either specimen or lines")
					}
					if a.Specimen == "" {
						return r.Lay(ctx, a.Lines)
					}
					lines, err := mrzreader.Specimen(a.Specimen)
					if err != nil {
						return err
					}
					return r.Lay(ctx, lines)
				}),
			raw(r.Raw),
		},
	}, nil
}

func buildRFID(s rfid.Settings, rec tape.Recorder) (thing, error) {
	r, err := rfid.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{
		model: r, device: r, state: func() any { return r.State() },
		acts: []Act{
			act("put", "标签进场，或移动 / a chip comes into the field, or moves", func(_ context.Context, t rfid.Tag) error { return r.Put(t) }),
			act("take", "标签离场，不写 id 为全部 / a chip leaves, or all", func(_ context.Context, a struct {
				ID string `json:"id"`
			}) error {
				r.Take(a.ID)
				return nil
			}),
			raw(r.Raw),
		},
	}, nil
}
