package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yipiao/cloud"
	"yipiao/sync/ticket"
)

func doInit(ctx context.Context, c *command, args []string) error {
	tenant := c.flags.String("tenant", "样例票务", "`name` of the tenant")
	cfg, err := c.parse(args)
	if err != nil {
		return err
	}
	done, err := cloud.Init(ctx, cfg, *tenant, time.Now())
	if err != nil {
		return err
	}
	root, err := done.Root.MarshalText()
	if err != nil {
		return err
	}
	return c.print(done, "操作员 (operator)：%s\n口令，只显示这一次 (password, shown once)：%s\n部署根摘要 (deployment root)：%s\n",
		done.Name, done.Password, root)
}

func doServe(ctx context.Context, c *command, args []string) error {
	return c.with(args, func(cl *cloud.Cloud) error { return cl.Run(ctx) })
}

func doSample(ctx context.Context, c *command, args []string) error {
	var o cloud.SampleOptions
	c.flags.StringVar(&o.Wallet, "wallet", "", "`file` for the simulated buyers' tickets, mode 0600")
	c.flags.IntVar(&o.Seats, "seats", 0, "seats of the hall; 0: as it is, 1200 at first")
	c.flags.IntVar(&o.Tickets, "tickets", 0, "tickets sold over today's sessions; 0: 500")
	return c.with(args, func(cl *cloud.Cloud) error {
		done, err := cl.Sample(ctx, o)
		if err != nil {
			return err
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%s，%d 座，驿站 %s；新售 %d 张 (newly sold)\n", done.Venue, done.Seats, done.Station, done.New)
		for _, s := range done.Sessions {
			state := "未到或已过入场时间 (not admitting)"
			if s.Admitting {
				state = "正在入场 (admitting)"
			}
			fmt.Fprintf(&text, "  %s  %s  %s  已售 %d (sold)  %s\n", s.Code, ticket.Time(s.StartMs).Format("01-02 15:04"), s.Name, s.Sold, state)
		}
		if done.Missing > 0 {
			fmt.Fprintf(&text, "有 %d 张早先售出的票不在票夹里 (sold earlier, not in the wallet file)\n", done.Missing)
		}
		return c.print(done, "%s", text.String())
	})
}

func doStationAdd(ctx context.Context, c *command, args []string) error {
	venue := c.flags.String("venue", "样例大剧院", "`name` of the venue, made where there is none")
	name := c.flags.String("name", "驿站", "`name` of the station")
	return c.with(args, func(cl *cloud.Cloud) error {
		id, err := cl.CreateStation(ctx, *venue, *name)
		if err != nil {
			return err
		}
		return c.print(map[string]any{"station": id, "name": id.String()}, "%s\n", id)
	})
}

func doEnrolCode(ctx context.Context, c *command, args []string) error {
	station := c.flags.Uint("station", 0, "`number` of the station; 0: the only one without a machine")
	address := c.flags.String("address", "", "`host:port` under which the machine reaches the cloud; default from the configuration")
	replace := c.flags.Bool("replace", false, "for a machine that takes the place of the station's present one")
	return c.with(args, func(cl *cloud.Cloud) error {
		newCode := cl.EnrolCode
		if *replace {
			newCode = cl.ReplaceCode
		}
		code, err := newCode(ctx, ticket.StationID(*station), *address)
		if err != nil {
			return err
		}
		return c.print(code, "%s 的注册码，一次有效，至 %s (one use):\n%s\n",
			code.Station, ticket.Time(code.UntilMs).Format("15:04"), code.Code)
	})
}

func doStatus(ctx context.Context, c *command, args []string) error {
	return c.with(args, func(cl *cloud.Cloud) error {
		st, err := cl.Status(ctx)
		if err != nil {
			return err
		}
		var text strings.Builder
		if len(st.Stations) == 0 {
			text.WriteString("没有驿站 (no station)\n")
		}
		for _, s := range st.Stations {
			seen := "从未 (never)"
			if s.SeenMs != 0 {
				seen = ticket.Time(s.SeenMs).Format("01-02 15:04:05")
			}
			fmt.Fprintf(&text, "%s  联系 (seen) %s  账本 (journal) %d/#%d，已处理 (folded) #%d  下发 (feed) %d，已读至 (sent) %d  无法处理 (dead) %d  冲突 (conflicts) %d\n",
				s.Name, seen, s.Epoch, s.Durable, s.Folded, s.FeedHead, s.FeedSent, s.DeadLetters, s.Conflicts)
		}
		return c.print(st, "%s", text.String())
	})
}
