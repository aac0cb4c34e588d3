package bench

import (
	"context"
	"os"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/handheld"
	"yipiao/firmware-sim/tape"
)

func buildHandheld(s handheld.Settings, rec tape.Recorder) (thing, error) {
	h, err := handheld.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{
		model: h, state: func() any { return h.State() },
		run: func(ctx context.Context) error {
			defer h.Close()
			return h.Run(ctx)
		},
		line: func() board.State {
			here := !h.State().Away
			return board.State{Path: s.URL, Plugged: here, Present: here}
		},
		now: []error{handheld.ErrNoAnswer, handheld.ErrRefused, os.ErrNotExist},
		acts: []Act{
			act("scan", "扫一个码，问驿站，显示判定 / a code is scanned with it", func(ctx context.Context, a textArgs) error {
				_, err := h.Scan(ctx, a.Text)
				return err
			}),
			act("health", "电量与网络，不写 battery 则不变 / how its battery and network are",
				func(_ context.Context, n handheld.Health) error { return h.SetHealth(n) }),
			act("report", "立即上报电量与网络 / it reports them now", func(ctx context.Context, _ nothing) error { return h.Report(ctx) }),
			plain("unplug", "离开网络 / it is carried out of the network's reach", h.Leave),
			plain("replug", "回到网络 / it is carried back", h.Return),
			act("faults", "无线故障，不写即痊愈 / what goes wrong on the air; what is not named is healed",
				func(_ context.Context, f handheld.Faults) error { return h.SetFaults(f) }),
		},
	}, nil
}
