package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"yipiao/cloud"
	"yipiao/edge"
	"yipiao/sync/ticket"
)

func cmdVerify(ctx context.Context, t *tool, args []string) error {
	fs := t.flags("verify")
	wait := fs.Duration("wait", 0, "how long to wait for both ends to come to rest and agree")
	asJSON := fs.Bool("json", false, "for programs (of a stopped station)")
	if err := parse(fs, args); err != nil {
		return err
	}
	if edge.IsStation(t.dir) {
		return verifyData(ctx, t, t.dir, *asJSON)
	}
	s, err := loadSystem(t.dir)
	if err != nil {
		return err
	}
	return verify(ctx, t, s, *wait)
}

// verifyData checks a stopped station's own data. The last line printed is a summary.
func verifyData(ctx context.Context, t *tool, dir string, asJSON bool) error {
	v, err := edge.VerifyData(ctx, dir)
	if err != nil {
		return err
	}
	bad := fmt.Errorf("驿站数据有 %d 处问题 (the station's data has %d faults)", len(v.Findings), len(v.Findings))
	if len(v.Findings) == 0 {
		bad = nil
	}
	if asJSON {
		text, err := json.MarshalIndent(v, "", "  ")
		t.printf("%s\n", text)
		return errors.Join(err, bad)
	}
	t.printf("驿站 %s %s：账本第 %d 纪元，记录 %d–%d，目录已含到 %d；%d 张票，%d 份使用状态\n",
		v.Station, v.Venue, v.Epoch, v.First, v.Last, v.Covered, v.Tickets, v.States)
	for _, f := range v.Findings {
		t.printf("  问题 (fault)：%s: %s\n", f.Where, f.What)
	}
	if bad == nil {
		t.printf("完好 (whole)：链、目录、索引与账本逐票一致\n")
	} else {
		t.printf("有问题 (faulty)：%d 处\n", len(v.Findings))
	}
	return bad
}

// verify compares station and cloud through their interfaces until they are equal or wait is over. The
// last line printed is a summary.
func verify(ctx context.Context, t *tool, s *system, wait time.Duration) error {
	st, err := s.stationAPI()
	if err != nil {
		return err
	}
	cl, err := s.cloudAPI(ctx)
	if err != nil {
		return err
	}
	end := time.Now().Add(wait)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		report, err := compare(ctx, st, cl)
		if err == nil && len(report.differences) == 0 {
			t.printf("%s", report.text)
			t.printf("一致 (equal)：%d 场次，%d 张票，%d 次入场，%d 条记录；保管权摘要与账本链值相同\n",
				report.sessions, report.tickets, report.used, report.facts)
			return nil
		}
		if time.Now().After(end) {
			if err != nil {
				return err
			}
			t.printf("%s", report.text)
			for _, d := range report.differences {
				t.printf("  不同 (differs)：%s\n", d)
			}
			t.printf("不一致 (not equal)：%d 处\n", len(report.differences))
			return errors.New("驿站与云端不一致 (station and cloud differ)")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type comparison struct {
	text                    string
	differences             []string
	sessions, tickets, used int
	facts                   uint64
}

func (c *comparison) differ(format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, args...))
}

func compare(ctx context.Context, st, cl *api) (*comparison, error) {
	var e edge.Digests
	if err := st.get(ctx, "/api/v1/digests", &e); err != nil {
		return nil, err
	}
	var c cloud.Digests
	if err := cl.get(ctx, fmt.Sprintf("/api/v1/digests?station=%d", e.Station), &c); err != nil {
		return nil, err
	}
	out := &comparison{facts: e.Durable}
	if !e.Quiet {
		out.differ("驿站正在工作，未静止 (station is busy)")
	}
	compareJournal(out, &e, &c)
	compareFeed(out, &e, &c)
	compareSessions(out, &e, &c)
	return out, nil
}

func compareJournal(out *comparison, e *edge.Digests, c *cloud.Digests) {
	out.text += fmt.Sprintf("  账本 journal  第 %d 期，驿站 #%d，云端已收 #%d、已处理 #%d\n", e.Epoch, e.Durable, c.JournalDurable, c.JournalFolded)
	switch {
	case e.Epoch != c.JournalEpoch:
		out.differ("账本期 (journal epoch)：驿站 %d，云端 %d", e.Epoch, c.JournalEpoch)
	case e.End != e.Durable, e.Durable != c.JournalDurable:
		out.differ("记录 (facts)：驿站 #%d，云端 #%d", e.End, c.JournalDurable)
	case e.Sum != c.JournalSum:
		out.differ("账本链值 (chain) 在 #%d 不同", e.Durable)
	}
	if c.JournalFolded != c.JournalDurable {
		out.differ("云端尚未处理 (not folded)：#%d 至 #%d", c.JournalFolded+1, c.JournalDurable)
	}
	if c.DeadLetters+c.Conflicts > 0 {
		out.differ("云端有 %d 条无法处理、%d 处冲突 (dead letters, conflicts)", c.DeadLetters, c.Conflicts)
	}
}

func compareFeed(out *comparison, e *edge.Digests, c *cloud.Digests) {
	out.text += fmt.Sprintf("  下发 feed     驿站位置 %d，云端位置 %d，未编号 %d\n", e.Feed.Cursor, c.FeedHead, c.FeedPending)
	if e.Feed.Epoch != c.FeedEpoch || e.Feed.Cursor != c.FeedHead || c.FeedPending != 0 {
		out.differ("下发位置 (feed)：驿站 %s/%d，云端 %s/%d，未编号 %d", e.Feed.Epoch, e.Feed.Cursor, c.FeedEpoch, c.FeedHead, c.FeedPending)
	}
}

func compareSessions(out *comparison, e *edge.Digests, c *cloud.Digests) {
	cloudHas := make(map[ticket.SessionID]cloud.SessionDigest)
	for _, s := range c.Sessions {
		cloudHas[s.ID] = s
	}
	for _, s := range e.Sessions {
		other, ok := cloudHas[s.ID]
		delete(cloudHas, s.ID)
		out.sessions++
		out.tickets += s.Tickets
		out.used += s.Used
		out.text += fmt.Sprintf("  场次 session  %d：票 %d / %d，入场 %d / %d，摘要 %s\n", s.ID, s.Tickets, other.Tickets, s.Used, other.Used, s.Digest.String()[:16])
		if !ok || s.Digest != other.Digest || s.Tickets != other.Tickets || s.Used != other.Used {
			out.differ("场次 %d：驿站 %d 票 %d 次入场 %s，云端 %d 票 %d 次入场 %s",
				s.ID, s.Tickets, s.Used, s.Digest, other.Tickets, other.Used, other.Digest)
		}
	}
	for id, s := range cloudHas {
		if s.Tickets > 0 {
			out.differ("场次 %d 只在云端：%d 票 (only in the cloud)", id, s.Tickets)
		}
	}
}
