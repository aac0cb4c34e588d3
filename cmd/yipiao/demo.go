package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"time"

	"yipiao/edge"
	"yipiao/firmware-sim/control"
	"yipiao/sync/ticket"
)

func cmdDemo(ctx context.Context, t *tool, args []string) error {
	word := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		word, args = args[0], args[1:]
	}
	fs := t.flags("demo " + word)
	next := fs.Bool("next", false, "scan a fresh ticket instead of the last one")
	lane := fs.String("lane", "1", "`number` of the lane")
	if err := parse(fs, args); err != nil {
		return err
	}
	s, err := loadSystem(t.dir)
	if err != nil {
		return err
	}
	d := &demo{tool: t, sys: s, sim: control.NewClient(s.simSocket())}
	defer d.sim.Close()
	if d.station, err = s.stationAPI(); err != nil {
		return err
	}
	switch word {
	case "":
		return d.story(ctx)
	case "scan":
		return d.scan(ctx, *lane, *next)
	case "cut":
		return d.cut(ctx)
	case "mend":
		return d.mend(ctx)
	}
	_, _ = fmt.Fprintf(t.errs, "demo: 没有 %q (want scan, cut, mend or nothing)\n", word)
	return errUsage
}

type demo struct {
	tool    *tool
	sys     *system
	sim     *control.Client
	station *api
}

// A pass is one buyer's ticket in the wallet.
type pass struct {
	Ticket  ticket.TicketID  `json:"ticket"`
	Session ticket.SessionID `json:"session"`
	Seat    string           `json:"seat"`
	Code    string           `json:"code"`
}

// choose returns the last ticket, or a fresh one of a session that admits now, and remembers it.
func (d *demo) choose(ctx context.Context, fresh bool) (pass, error) {
	passes, err := readWallet(d.sys.wallet())
	if err != nil {
		return pass{}, err
	}
	memory := d.sys.path("demo", "scanned.json")
	var done struct {
		Last  int          `json:"last"`
		Taken map[int]bool `json:"taken"`
	}
	done.Last = -1
	switch text, err := os.ReadFile(memory); {
	case err == nil:
		if err := json.Unmarshal(text, &done); err != nil {
			return pass{}, fmt.Errorf("%s: %w", memory, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return pass{}, err
	}
	if !fresh && done.Last >= 0 && done.Last < len(passes) {
		return passes[done.Last], nil
	}
	var st edge.Status
	if err := d.station.get(ctx, "/api/v1/status", &st); err != nil {
		return pass{}, err
	}
	admits := make(map[ticket.SessionID]bool)
	for _, s := range st.Sessions {
		admits[s.ID] = s.Admitting
	}
	if done.Taken == nil {
		done.Taken = make(map[int]bool)
	}
	for i, p := range passes {
		if done.Taken[i] || !admits[p.Session] {
			continue
		}
		done.Last, done.Taken[i] = i, true
		return p, writeJSON(memory, done)
	}
	return pass{}, errors.New("样例票都用过了，或没有正在入场的场次：make clean-data 后重来 (no fresh sample ticket)")
}

func readWallet(path string) ([]pass, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []pass
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var p pass
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(out)+1, err)
		}
		out = append(out, p)
	}
	return out, lines.Err()
}

// shown is what a lane has shown, as the station's LAN API tells it.
type shown struct {
	N       uint64 `json:"n"`
	Lane    string `json:"lane"`
	Verdict struct {
		Reason  string `json:"reason"`
		Outcome string `json:"outcome"`
		Zh      string `json:"zh"`
		En      string `json:"en"`
		HintZh  string `json:"hint_zh"`
		Legal   string `json:"legal"`
	} `json:"verdict"`
	Seat    string          `json:"seat"`
	Holder  string          `json:"holder"`
	Session string          `json:"session"`
	Ticket  ticket.TicketID `json:"ticket"`
	Seq     uint64          `json:"seq"`
	EndSeq  uint64          `json:"end_seq"`
	Passage string          `json:"passage"`
	Repeat  bool            `json:"repeat"`
}

type events struct {
	Newest uint64  `json:"newest"`
	Events []shown `json:"events"`
}

func (d *demo) events(ctx context.Context, lane string, since uint64, wait time.Duration) (events, error) {
	q := url.Values{"lane": {lane}, "since": {strconv.FormatUint(since, 10)}, "wait_ms": {strconv.FormatInt(wait.Milliseconds(), 10)}}
	var out events
	err := d.station.get(ctx, "/api/v1/events?"+q.Encode(), &out)
	return out, err
}

// scan lets the simulated scanner read a ticket and shows what each part saw.
func (d *demo) scan(ctx context.Context, n string, fresh bool) error {
	p, err := d.choose(ctx, fresh)
	if err != nil {
		return err
	}
	lane, scanner, gate := "L"+n, "scanner-"+n, "gate-"+n
	before, err := d.events(ctx, "", 0, 0)
	if err != nil {
		return err
	}
	_, tape, err := d.sim.Events(ctx, "", 0, 0)
	if err != nil {
		return err
	}
	if err := d.sim.Scan(ctx, scanner, p.Code); err != nil {
		return fmt.Errorf("模拟扫码器 (simulated scanner): %w", err)
	}
	verdict, last, err := d.outcome(ctx, lane, before.Newest)
	if err != nil {
		return err
	}
	return d.screen(ctx, &scanned{pass: p, verdict: verdict, last: last, scanner: scanner, gate: gate, tape: tape})
}

// outcome waits for the verdict of a scan and, if a gate was opened, for the passage to end.
func (d *demo) outcome(ctx context.Context, lane string, since uint64) (verdict, last shown, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	have := false
	for {
		got, err := d.events(ctx, lane, since, 5*time.Second)
		if err != nil {
			return verdict, last, fmt.Errorf("等待判定与通过 (wait for verdict and passage): %w", err)
		}
		for _, e := range got.Events {
			if !have {
				verdict, have = e, true
			}
			last = e
		}
		since = got.Newest
		if have && last.Passage != "waiting" && last.Passage != "settling" {
			return verdict, last, nil
		}
	}
}

// cut breaks the line to the cloud and waits until the station has noticed.
func (d *demo) cut(ctx context.Context) error {
	began := time.Now()
	if err := d.sim.CutWAN(ctx); err != nil {
		return err
	}
	st, err := d.wait(ctx, func(st *edge.Status) bool { return st.Uplink.State == "extreme" })
	if err != nil {
		return err
	}
	d.tool.printf("断网 (cut)：驿站在 %.1f 秒内断定连不上云端；检票照常。待上传 %d 条。\n",
		time.Since(began).Seconds(), st.Journal.Waiting)
	return nil
}

// mend restores it and waits until everything has arrived.
func (d *demo) mend(ctx context.Context) error {
	began := time.Now()
	if err := d.sim.MendWAN(ctx); err != nil {
		return err
	}
	st, err := d.wait(ctx, func(st *edge.Status) bool {
		return st.Uplink.State == "online" && st.Journal.Waiting == 0 && st.Feed.CaughtUp
	})
	if err != nil {
		return err
	}
	d.tool.printf("恢复 (mended)：%.1f 秒后在线，记录已全部上传（云端确认到 #%d），下载已到最新（位置 %d）。\n",
		time.Since(began).Seconds(), st.Journal.Acked, st.Feed.Cursor)
	return nil
}

func (d *demo) wait(ctx context.Context, ok func(*edge.Status) bool) (*edge.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		st := &edge.Status{}
		err := d.station.get(ctx, "/api/v1/status", st)
		if err == nil && ok(st) {
			return st, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("等待超时 (waited too long); uplink %s, waiting %d: %w", st.Uplink.State, st.Journal.Waiting, errors.Join(ctx.Err(), err))
		}
	}
}
