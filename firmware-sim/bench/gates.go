package bench

import (
	"context"
	"fmt"
	"time"

	"yipiao/firmware-sim/relayboard"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/tpwgate"
	"yipiao/firmware-sim/tripod"
)

// way reads a direction; the first name is what an empty one means.
func way[D ~int](name string, names [2]string) (D, error) {
	for i, n := range names {
		if name == n || name == "" && i == 0 {
			return D(i), nil
		}
	}
	return 0, fmt.Errorf("direction %q, want %s or %s", name, names[0], names[1])
}

var (
	inAndOut     = [2]string{"entry", "exit"}
	leftAndRight = [2]string{"left", "right"}
)

// visiting is the act that says what the person before a gate does.
func visiting[V ~string](does string, set func(V, time.Duration) error) Act {
	return act("visitor", does, func(_ context.Context, a visitorArgs) error { return set(V(a.Mode), ms(a.WalkMs)) })
}

// toward is an act with a direction.
func toward[D ~int](name, does string, names [2]string, do func(D) error) Act {
	return act(name, does, func(_ context.Context, a walkArgs) error {
		d, err := way[D](a.Direction, names)
		if err != nil {
			return err
		}
		return do(d)
	})
}

// switching is an act that is on or off.
func switching(name, does string, do func(bool)) Act {
	return act(name, does, func(_ context.Context, a onArgs) error { do(a.On); return nil })
}

// relayKeys are a relay board's settings as the configuration has them.
type relayKeys struct {
	Board     string `json:"board"`
	Unit      byte   `json:"unit"`
	OnFor     uint16 `json:"on_for"`
	OpenForMs int    `json:"open_for_ms"`
	Visitor   string `json:"visitor"`
	WalkMs    int    `json:"walk_ms"`
	PassMs    int    `json:"pass_ms"`
	SignalMs  int    `json:"signal_ms"`
	Closed    []int  `json:"closed"`
}

func parseRelayBoard(raw []byte) (relayboard.Settings, error) {
	var k relayKeys
	err := strict(raw, &k)
	return relayboard.Settings{
		Board: relayboard.Board(k.Board), Unit: k.Unit, OnFor: k.OnFor, OpenFor: ms(k.OpenForMs), Visitor: relayboard.Visitor(k.Visitor),
		Walk: ms(k.WalkMs), Pass: ms(k.PassMs), Signal: ms(k.SignalMs), Closed: k.Closed,
	}, err
}

type relayArgs struct {
	Relay int  `json:"relay"` // from 1
	On    bool `json:"on"`
}

func buildRelayBoard(s relayboard.Settings, rec tape.Recorder) (thing, error) {
	m, err := relayboard.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	relay := func(do func(int, bool)) func(context.Context, relayArgs) error {
		return func(_ context.Context, a relayArgs) error {
			if most := len(m.State().Relays); a.Relay < 1 || a.Relay > most {
				return fmt.Errorf("relay %d, want 1 to %d", a.Relay, most)
			}
			do(a.Relay, a.On)
			return nil
		}
	}
	return thing{
		model: m, device: m, run: m.Run, state: func() any { return m.State() }, describe: describeModbus,
		now: []error{relayboard.ErrClosed},
		acts: []Act{
			visiting("面前的人怎么做：walk、stay、manual、follow / what the person before the gate does", m.SetVisitor),
			toward("pass", "凭许可走过 / somebody walks through the open gate", inAndOut, m.Pass),
			toward("force", "闯过关着的门 / somebody forces the shut gate", inAndOut, func(d relayboard.Direction) error { m.Force(d); return nil }),
			switching("alarm", "报警触点 / alarm contact", m.SetAlarm),
			switching("fire", "消防触点 / fire contact", m.SetFire),
			act("stuck", "继电器粘连 / a relay's contact is welded", relay(m.SetStuck)),
			act("switch", "手动拨动继电器 / a relay is switched by hand", relay(m.Switch)),
			plain("power", "断电重启 / power cut and back", m.PowerCycle),
		},
	}, nil
}

// tpwKeys are a TPW gate's settings as the configuration has them.
type tpwKeys struct {
	Visitor string `json:"visitor"`
	WalkMs  int    `json:"walk_ms"`
	PassMs  int    `json:"pass_ms"`
	Version string `json:"version"`
	ID      string `json:"id"`
}

func parseTPWGate(raw []byte) (tpwgate.Settings, error) {
	var k tpwKeys
	err := strict(raw, &k)
	return tpwgate.Settings{
		Visitor: tpwgate.Visitor(k.Visitor), Walk: ms(k.WalkMs), Pass: ms(k.PassMs), Version: k.Version, ID: k.ID,
	}, err
}

func buildTPWGate(s tpwgate.Settings, rec tape.Recorder) (thing, error) {
	m, err := tpwgate.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	mode := func(set func(tpwgate.Direction, bool)) func(context.Context, freeArgs) error {
		return func(_ context.Context, a freeArgs) error {
			d, err := way[tpwgate.Direction](a.Direction, inAndOut)
			if err == nil {
				set(d, a.On)
			}
			return err
		}
	}
	return thing{
		model: m, device: m, run: m.Run, state: func() any { return m.State() }, describe: describeFrame(1),
		now: []error{tpwgate.ErrClosed},
		acts: []Act{
			visiting("面前的人怎么做：walk、stay、manual、follow / what the person before the gate does", m.SetVisitor),
			toward("pass", "凭许可走过 / somebody walks through the open gate", inAndOut, m.Pass),
			toward("force", "闯过关着的门 / somebody forces the shut gate", inAndOut, func(d tpwgate.Direction) error { m.Force(d); return nil }),
			act("free", "现场设自由通行 / free passage set at the gate", mode(m.SetFree)),
			act("forbidden", "现场设禁止通行 / a direction is forbidden at the gate", mode(m.SetForbidden)),
			switching("refuses", "拒绝一切命令 / it fails every command", m.SetRefuses),
			act("counters", "改计数 / a repair turns the counters", func(_ context.Context, a countersArgs) error {
				m.SetCounters(a.Entry, a.Exit)
				return nil
			}),
			plain("power", "断电重启 / power cut and back", m.PowerCycle),
		},
	}, nil
}

type countersArgs struct {
	Entry uint32 `json:"entry"`
	Exit  uint32 `json:"exit"`
}

// tripodKeys are a tripod's settings as the configuration has them.
type tripodKeys struct {
	Address   *byte  `json:"address"`
	Visitor   string `json:"visitor"`
	WalkMs    int    `json:"walk_ms"`
	OpenForMs int    `json:"open_for_ms"`
}

func parseTripod(raw []byte) (tripod.Settings, error) {
	var k tripodKeys
	err := strict(raw, &k)
	return tripod.Settings{Address: k.Address, Visitor: tripod.Visitor(k.Visitor), Walk: ms(k.WalkMs), OpenFor: ms(k.OpenForMs)}, err
}

func buildTripod(s tripod.Settings, rec tape.Recorder) (thing, error) {
	m, err := tripod.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{
		model: m, device: m, run: m.Run, state: func() any { return m.State() }, describe: describeFrame(2),
		now: []error{tripod.ErrClosed},
		acts: []Act{
			visiting("面前的人怎么做：walk、stay、manual / what the person before the tripod does", m.SetVisitor),
			toward("pass", "凭许可走过 / somebody walks through the open tripod", leftAndRight, m.Pass),
		},
	}, nil
}

// describeFrame names the command of a frame by the byte at a place: its package tells what came of it.
func describeFrame(at int) func(sent bool, p []byte) string {
	return func(sent bool, p []byte) string {
		zh, en := "收到", "received"
		if sent {
			zh, en = "发送", "sent"
		}
		if len(p) <= at {
			return fmt.Sprintf("%s %d 字节 / %d bytes %s", zh, len(p), len(p), en)
		}
		return fmt.Sprintf("%s命令 %#02x，%d 字节 / command %#02x of %d bytes %s", zh, p[at], len(p), p[at], len(p), en)
	}
}
