package bench

import (
	"context"
	"fmt"

	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

// turnstileKeys are a turnstile's settings as the configuration has them.
type turnstileKeys struct {
	Unit      int    `json:"unit"`
	Visitor   string `json:"visitor"`
	WalkMs    int    `json:"walk_ms"`
	PassMs    int    `json:"pass_ms"`
	TakeEarly bool   `json:"take_early"`
	State     string `json:"state"`
}

// parseTurnstile reads them; walking times become durations.
func parseTurnstile(raw []byte) (turnstile.Settings, error) {
	var k turnstileKeys
	if err := strict(raw, &k); err != nil {
		return turnstile.Settings{}, err
	}
	if k.Unit < 0 || k.Unit > 247 {
		return turnstile.Settings{}, fmt.Errorf("unit %d, want 1 to 247", k.Unit)
	}
	return turnstile.Settings{
		Unit: byte(k.Unit), Visitor: turnstile.Visitor(k.Visitor), Walk: ms(k.WalkMs), Pass: ms(k.PassMs),
		TakeEarly: k.TakeEarly, State: k.State,
	}, nil
}

type visitorArgs struct {
	Mode   string `json:"mode"`    // walk, stay, manual or follow
	WalkMs int    `json:"walk_ms"` // 0 leaves it as it is
}

type walkArgs struct {
	Direction string `json:"direction"` // entry (or "") or exit
}

type freeArgs struct {
	Direction string `json:"direction"`
	On        bool   `json:"on"`
}

type onArgs struct {
	On bool `json:"on"`
}

func buildTurnstile(s turnstile.Settings, rec tape.Recorder) (thing, error) {
	t, err := turnstile.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{
		model: t, device: t, run: t.Run, state: func() any { return t.State() }, describe: describeModbus,
		now: []error{turnstile.ErrClosed, turnstile.ErrOccupied},
		acts: []Act{
			visiting("面前的人怎么做：walk 走过，stay 不走，manual 听指挥，follow 有人尾随 / what the person before it does", t.SetVisitor),
			toward("pass", "凭许可走过 / somebody walks through with a permit", inAndOut, t.Pass),
			toward("force", "无许可闯过 / somebody walks through without one", inAndOut, t.Force),
			act("free", "自由通行 / free passage by its key", func(_ context.Context, a freeArgs) error {
				d, err := way[turnstile.Direction](a.Direction, inAndOut)
				if err == nil {
					t.SetFree(d, a.On)
				}
				return err
			}),
			switching("fire", "消防联动 / anti-panic", t.SetFire),
			switching("blocked", "闭锁 / key switch blocks it", t.SetBlocked),
			act("fault", "故障位 / error bits", func(_ context.Context, a struct {
				Bits uint16 `json:"bits"`
			}) error {
				t.SetFault(a.Bits)
				return nil
			}),
			act("counters", "改计数 / a repair turns the counters", func(_ context.Context, a countersArgs) error {
				t.SetCounters(a.Entry, a.Exit)
				return nil
			}),
			plain("power", "断电重启 / power cut and back", t.PowerCycle),
		},
	}, nil
}
