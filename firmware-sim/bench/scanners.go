package bench

import (
	"context"
	"encoding/hex"
	"fmt"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/scannerhid"
	"yipiao/firmware-sim/scannerline"
	"yipiao/firmware-sim/scannerssi"
	"yipiao/firmware-sim/scannerwedge"
	"yipiao/firmware-sim/tape"
)

type textArgs struct {
	Text string `json:"text"`
}

type hexArgs struct {
	Hex string `json:"hex"`
}

type countArgs struct {
	N int `json:"n"`
}

// A reads scans codes, whatever it speaks.
type reads interface {
	Scan(ctx context.Context, code string) error
	Raw(ctx context.Context, wire []byte) error
}

// scanning are the acts of every scanner, and of one with a trigger where pull is not nil.
func scanning(s reads, pull func(context.Context, bool) error) []Act {
	acts := []Act{
		act("scan", "出示一个码 / a code is shown to it", func(ctx context.Context, a textArgs) error { return s.Scan(ctx, a.Text) }),
		raw(s.Raw),
	}
	if pull != nil {
		acts = append(acts, act("trigger", "扣动或松开扳机 / its trigger is pulled, or let go",
			func(ctx context.Context, a onArgs) error { return pull(ctx, a.On) }))
	}
	return acts
}

// raw is the act of a device that sends bytes as they are.
func raw(send func(context.Context, []byte) error) Act {
	return act("raw", "原样发送字节（十六进制） / it sends bytes as they are", func(ctx context.Context, a hexArgs) error {
		wire, err := hex.DecodeString(a.Hex)
		if err != nil {
			return fmt.Errorf("hex: %w", err)
		}
		return send(ctx, wire)
	})
}

func buildScanner(s scanner.Settings, rec tape.Recorder) (thing, error) {
	sc, err := scanner.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{model: sc, device: sc, state: func() any { return sc.State() }, acts: scanning(sc, nil)}, nil
}

func buildScannerLine(s scannerline.Settings, rec tape.Recorder) (thing, error) {
	sc, err := scannerline.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{model: sc, device: sc, state: func() any { return sc.State() }, acts: scanning(sc, sc.Pull)}, nil
}

func buildScannerSSI(s scannerssi.Settings, rec tape.Recorder) (thing, error) {
	sc, err := scannerssi.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	refuse := act("refuse", "否认后面 n 条命令，原因 1 要求重发，6 拒绝 / it answers n commands with a NAK",
		func(_ context.Context, a struct {
			N      int  `json:"n"`
			Reason byte `json:"reason"`
		}) error {
			if a.N < 0 {
				return fmt.Errorf("n %d is negative", a.N)
			}
			sc.Refuse(a.N, a.Reason)
			return nil
		})
	return thing{
		model: sc, device: sc, state: func() any { return sc.State() }, acts: append(scanning(sc, sc.Pull), refuse),
		now: []error{scannerssi.ErrGivenUp},
	}, nil
}

func buildScannerHID(s scannerhid.Settings, rec tape.Recorder) (thing, error) {
	sc, err := scannerhid.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	gap := act("gap", "一个码的报告之间停顿 / it waits between the reports of a code", func(_ context.Context, a struct {
		Ms int `json:"ms"`
	}) error {
		if a.Ms < 0 || a.Ms > 60000 {
			return fmt.Errorf("ms %d, want 0 to 60000", a.Ms)
		}
		sc.SetGap(ms(a.Ms))
		return nil
	})
	return thing{
		model: sc, device: sc, state: func() any { return sc.State() },
		acts: append(scanning(sc, sc.Pull), gap, breakOff("下一个码在 n 个报告后中断 / the next code ends after n reports", sc.BreakOff)),
		pipe: func(gone error) (host, device board.Conn) { return scannerhid.Pipe(gone) },
	}, nil
}

func buildScannerWedge(s scannerwedge.Settings, rec tape.Recorder) (thing, error) {
	sc, err := scannerwedge.New(s, rec)
	if err != nil {
		return thing{}, err
	}
	return thing{
		model: sc, device: sc, state: func() any { return sc.State() },
		acts: append(scanning(sc, nil), breakOff("下一个码在 n 个字符后中断 / the next code ends after n characters", sc.BreakOff)),
	}, nil
}

func breakOff(does string, set func(int)) Act {
	return act("break_off", does, func(_ context.Context, a countArgs) error {
		if a.N < 0 {
			return fmt.Errorf("n %d is negative", a.N)
		}
		set(a.N)
		return nil
	})
}
