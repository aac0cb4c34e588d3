package bench

import (
	"context"
	"errors"
	"fmt"
	"os"

	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

// supplyArgs are how paper or a ribbon is.
type supplyArgs struct {
	Low bool `json:"low"`
	Out bool `json:"out"`
}

type paperArgs struct {
	Low   bool `json:"low"`
	Out   bool `json:"out"`
	After int  `json:"after"` // rows to print before it is out; 0 is now as low and out say
}

type cutterArgs struct {
	Jam  bool `json:"jam"`  // false takes the jam out
	Next bool `json:"next"` // it jams at the next cut, and not now
}

type powerArgs struct {
	On    bool `json:"on"`
	After int  `json:"after"` // rows to print before it goes off; 0 is now
}

func buildPrinter(s printer.Settings, rec tape.Recorder) (thing, error) {
	p, err := printer.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	if s.Dir != "" {
		if err := os.MkdirAll(s.Dir, 0o755); err != nil {
			return thing{}, fmt.Errorf("dir: %w", err)
		}
	}
	return thing{
		model: p, device: p, run: p.Run, state: func() any { return p.State() },
		acts: []Act{
			act("paper", "纸：将尽、尽，或再打 after 行后尽 / paper low, out, or out after so many rows",
				func(_ context.Context, a paperArgs) error { return setPaper(p, a) }),
			act("ribbon", "碳带 / ribbon", func(_ context.Context, a supplyArgs) error { p.SetRibbon(a.Low, a.Out); return nil }),
			act("cover", "开盖或合盖 / cover opened or closed", func(_ context.Context, a struct {
				Open bool `json:"open"`
			}) error {
				p.SetCover(a.Open)
				return nil
			}),
			act("button", "联机键 / button: online or not", func(_ context.Context, a onArgs) error { p.SetOnline(a.On); return nil }),
			act("cutter", "切刀卡住（现在或下次）或清理 / cutter jams, now or at the next cut, or is freed",
				func(_ context.Context, a cutterArgs) error { return setCutter(p, a) }),
			act("power", "上电、断电，或再打 after 行后断电 / power on, off, or off after so many rows",
				func(_ context.Context, a powerArgs) error { return setPower(p, a) }),
			plain("tear", "撕下纸 / the paper is torn off", p.Tear),
			raw(func(_ context.Context, wire []byte) error { return p.Raw(wire) }),
		},
	}, nil
}

func setPaper(p *printer.Printer, a paperArgs) error {
	switch {
	case a.After < 0 || a.After > 0 && a.Out:
		return errors.New("after is rows until the paper is out: 1 or more, and without out")
	case a.After > 0:
		p.SetPaper(a.Low, false)
		p.PaperOutAfter(a.After)
	default:
		p.SetPaper(a.Low, a.Out)
	}
	return nil
}

func setCutter(p *printer.Printer, a cutterArgs) error {
	switch {
	case a.Next && !a.Jam:
		return errors.New("next goes with jam")
	case a.Next:
		p.JamCutter()
	case a.Jam:
		p.JamNow()
	default:
		p.FreeCutter()
	}
	return nil
}

func setPower(p *printer.Printer, a powerArgs) error {
	switch {
	case a.After < 0 || a.After > 0 && a.On:
		return errors.New("after is rows until the power fails: 1 or more, and without on")
	case a.After > 0:
		p.PowerOffAfter(a.After)
	case a.On:
		p.PowerOn()
	default:
		p.PowerOff()
	}
	return nil
}
