package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"yipiao/cloud"
	"yipiao/sync/ticket"
)

// stationNumber reads S-0001 or 1.
func stationNumber(text string) (ticket.StationID, error) {
	var n uint32
	digits := strings.TrimPrefix(strings.ToUpper(text), "S-")
	if _, err := fmt.Sscanf(digits, "%d", &n); err != nil || n == 0 || strings.Trim(digits, "0123456789") != "" {
		return 0, errors.New("请指明驿站，如 --station S-0001 (name the station)")
	}
	return ticket.StationID(n), nil
}

// doStationReplace shows what is known of a machine that was replaced, or writes down an operator's word
// about it and grants what it held anew.
func doStationReplace(ctx context.Context, c *command, args []string) error {
	name := c.flags.String("station", "", "`station`, such as S-0001")
	complete := c.flags.Bool("journal-uploaded", false, "every fact of the old machine has been uploaded")
	lost := c.flags.Bool("lost", false, "the rest of the old machine's facts will never come")
	return c.with(args, func(cl *cloud.Cloud) error {
		station, err := stationNumber(*name)
		if err != nil {
			return err
		}
		if *complete && *lost {
			return errors.New("--journal-uploaded 与 --lost 只能选一个 (one of them)")
		}
		if *complete || *lost {
			return c.decide(ctx, cl, station, *lost)
		}
		r, err := cl.Replaced(ctx, station)
		if err != nil {
			return sayReplace(err)
		}
		state := "已有结论 (decided)"
		if r.Undecided || r.Stranded > 0 {
			state = "等待结论：--journal-uploaded 或 --lost (waits for a decision)"
		}
		return c.print(r, "%s 的旧机器：账本第 %d 期，已收到 #%d、已处理 #%d；%s 至 %s 之间的情况未知；%d 张票的检票权无人持有。%s\n",
			station, r.Epoch, r.Durable, r.Folded, moment(r.FromMs), moment(r.EndedMs), r.Stranded, state)
	})
}

func (c *command) decide(ctx context.Context, cl *cloud.Cloud, station ticket.StationID, lost bool) error {
	d, err := cl.Decide(ctx, station, lost)
	if err != nil {
		return sayReplace(err)
	}
	text := fmt.Sprintf("%s：%d 张票的检票权已重新发给现在的机器 (granted anew)\n", station, d.Rights)
	if lost {
		text += fmt.Sprintf("旧机器已报失 (lost)：%s 至 %s 之间，%d 张票是否已入场不能确定，已记入 (uncertain, recorded)\n",
			moment(d.FromMs), moment(d.ToMs), d.Uncertain)
	}
	return c.print(d, "%s", text)
}

func moment(ms int64) string {
	if ms == 0 {
		return "开始 (the beginning)"
	}
	return ticket.Time(ms).Format("2006-01-02 15:04:05")
}

func sayReplace(err error) error {
	switch {
	case errors.Is(err, cloud.ErrNotReplaced):
		return fmt.Errorf("该驿站没有等待结论的旧机器 (nothing to decide): %w", err)
	case errors.Is(err, cloud.ErrUnfolded):
		return fmt.Errorf("旧机器的记录还没有处理完，稍候再试 (still being applied): %w", err)
	}
	return err
}

// doBackupKey prints the key that opens backups when the venue has lost its own.
func doBackupKey(ctx context.Context, c *command, args []string) error {
	name := c.flags.String("station", "", "`station` to be restored, such as S-0001")
	return c.with(args, func(cl *cloud.Cloud) error {
		if os.Geteuid() != 0 {
			return errors.New("只有 root 可以取出备份密钥 (root only)")
		}
		station, err := stationNumber(*name)
		if err != nil {
			return err
		}
		private, err := cl.BackupKey(ctx, station)
		if err != nil {
			return err
		}
		return c.print(map[string]any{"station": station, "key": private},
			"# 可解开本租户所有驿站的备份；这次取出已记入。用后销毁 (opens every backup of the tenant; recorded; destroy after use)\n%s\n", private)
	})
}
