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

// listedLetters is how many dead letters a list shows.
const listedLetters = 200

// someStation reads the station that a command is about; 0 for all.
func someStation(text string) (ticket.StationID, error) {
	if text == "" {
		return 0, nil
	}
	return stationNumber(text)
}

func doDeadList(ctx context.Context, c *command, args []string) error {
	name := c.flags.String("station", "", "only of this `station`, such as S-0001")
	return c.with(args, func(cl *cloud.Cloud) error {
		station, err := someStation(*name)
		if err != nil {
			return err
		}
		all, err := cl.DeadLetters(ctx, station, listedLetters+1)
		if err != nil {
			return err
		}
		var text strings.Builder
		if len(all) == 0 {
			text.WriteString("没有无法处理的记录 (no dead letters)\n")
		}
		shown := all[:min(len(all), listedLetters)]
		writeLetters(&text, shown)
		if len(all) > listedLetters {
			fmt.Fprintf(&text, "还有更多；全部见 cloudd dead-letters export (and more)\n")
		}
		return c.print(shown, "%s", text.String())
	})
}

func writeLetters(text *strings.Builder, all []cloud.DeadLetter) {
	for _, d := range all {
		fmt.Fprintf(text, "%s  %d/#%d  %s  %s  %s  上次尝试 (tried) %s\n",
			d.Station, d.Epoch, d.Seq, moment(d.TimeMs), d.Kind, d.Reason, moment(d.AtMs))
	}
}

func doDeadExport(ctx context.Context, c *command, args []string) error {
	name := c.flags.String("station", "", "only of this `station`, such as S-0001")
	return c.with(args, func(cl *cloud.Cloud) error {
		station, err := someStation(*name)
		if err != nil {
			return err
		}
		_, err = cl.ExportDeadLetters(ctx, station, c.stdout)
		return err
	})
}

func doDeadRetry(ctx context.Context, c *command, args []string) error {
	name := c.flags.String("station", "", "only of this `station`, such as S-0001")
	epoch := c.flags.Uint("epoch", 1, "journal epoch of the one fact")
	seq := c.flags.Uint64("seq", 0, "sequence of the one fact; 0: all")
	return c.with(args, func(cl *cloud.Cloud) error {
		station, err := someStation(*name)
		if err == nil && *seq != 0 && station == 0 {
			_, err = stationNumber("")
		}
		if err != nil {
			return err
		}
		done, err := cl.RetryDeadLetters(ctx, station, uint32(*epoch), *seq, "cloudd, uid "+fmt.Sprint(os.Getuid()))
		if errors.Is(err, cloud.ErrNoDeadLetter) {
			return fmt.Errorf("没有这条无法处理的记录，或已处理 (no such dead letter, or settled): %w", err)
		}
		if err != nil {
			return err
		}
		var text strings.Builder
		fmt.Fprintf(&text, "已处理 %d 条，仍无法处理 %d 条 (settled, left)\n", done.Settled, len(done.Left))
		writeLetters(&text, done.Left[:min(len(done.Left), listedLetters)])
		return c.print(done, "%s", text.String())
	})
}
