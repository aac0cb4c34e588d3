// Command cloudd is the cloud server, and the tool that sets it up: data directory, sample data,
// stations and their enrolment codes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"yipiao/cloud"
)

const usage = `cloudd：驿票云端 (the cloud server of Yipiao)

  cloudd init        [--tenant NAME]                       建立数据目录，显示一次操作员口令 (make the data directory; shows a password once)
  cloudd serve                                             提供服务，直到收到中断 (serve until interrupted)
  cloudd sample      --wallet FILE [--seats N] [--tickets N]  备好今日样例场次与已售票，可重复运行 (sample theatre, sessions, sold tickets)
  cloudd station add [--venue NAME] [--name NAME]          登记一个驿站 (register a station)
  cloudd enrol-code  [--station N] [--address HOST:PORT]   一次性注册码，30 分钟有效 (one-time code for a machine to become a station)
  cloudd enrol-code  --replace --station N                 给顶替的机器：恢复或换机 (for a machine that takes the present one's place)
  cloudd station replace --station N [--journal-uploaded | --lost]  旧机器的情况与结论 (what became of the machine that was replaced)
  cloudd backup-key  --station N                           取出备份密钥，仅 root，记入 (key for backups; root only; recorded)
  cloudd dead-letters list|export|retry  [--station N] [--epoch N --seq N]  无法处理的记录：列出、导出 (JSON lines)、重试 (facts that could not be applied)
  cloudd status                                            各驿站的状态 (state of the stations)

每个命令 (every command)：--data DIR 或 --config FILE；--json 供程序读取；--log debug|info|warn|error
`

// Both are returned after the usage was shown: because it was wrong, or because it was asked for.
var (
	errUsage = errors.New("用法不对 (wrong usage)")
	errHelp  = errors.New("usage shown")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		_, _ = fmt.Fprintln(os.Stderr, "cloudd:", err)
		os.Exit(1)
	}
}

// A command is one sub-command with its common flags.
type command struct {
	flags  *flag.FlagSet
	stdout io.Writer
	stderr io.Writer
	data   *string
	config *string
	json   *bool
	level  *string
}

func newCommand(name string, stdout, stderr io.Writer) *command {
	c := &command{flags: flag.NewFlagSet("cloudd "+name, flag.ContinueOnError), stdout: stdout, stderr: stderr}
	c.flags.SetOutput(stderr)
	c.data = c.flags.String("data", "", "data `directory`")
	c.config = c.flags.String("config", "", "configuration `file` (JSON)")
	c.json = c.flags.Bool("json", false, "print JSON")
	c.level = c.flags.String("log", "info", "log `level`: debug, info, warn, error")
	return c
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	if (name == "station" || name == "dead-letters") && len(args) > 0 {
		name, args = name+" "+args[0], args[1:]
	}
	do, ok := map[string]func(context.Context, *command, []string) error{
		"init": doInit, "serve": doServe, "sample": doSample, "station add": doStationAdd,
		"enrol-code": doEnrolCode, "status": doStatus, "station replace": doStationReplace, "backup-key": doBackupKey,
		"dead-letters list": doDeadList, "dead-letters export": doDeadExport, "dead-letters retry": doDeadRetry,
	}[name]
	switch {
	case ok:
		return do(ctx, newCommand(name, stdout, stderr), args)
	case name == "help" || name == "-h" || name == "--help" || name == "-help":
		_, err := io.WriteString(stdout, usage)
		return err
	}
	_, _ = io.WriteString(stderr, usage)
	return errUsage
}

// parse reads flags and nothing else.
func (c *command) parse(args []string) (cloud.Config, error) {
	var cfg cloud.Config
	switch err := c.flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return cfg, errHelp
	case err != nil:
		return cfg, errUsage
	}
	if c.flags.NArg() > 0 {
		return cfg, fmt.Errorf("多余的参数 (unexpected argument): %q", c.flags.Arg(0))
	}
	if *c.config != "" {
		var err error
		if cfg, err = cloud.LoadConfig(*c.config); err != nil {
			return cfg, err
		}
	}
	if *c.data != "" {
		cfg.Data = *c.data
	}
	if cfg.Data == "" {
		return cfg, errors.New("请用 --data 或 --config 指明数据目录 (name the data directory)")
	}
	return cfg, nil
}

func (c *command) logger() (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(*c.level)); err != nil {
		return nil, fmt.Errorf("--log: want debug, info, warn or error: %w", err)
	}
	return slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: l})), nil
}

// with opens the cloud for one command.
func (c *command) with(args []string, do func(*cloud.Cloud) error) error {
	cfg, err := c.parse(args)
	if err != nil {
		return err
	}
	log, err := c.logger()
	if err != nil {
		return err
	}
	cl, err := cloud.New(cfg, log)
	if err != nil {
		return err
	}
	return errors.Join(do(cl), cl.Close())
}

// print writes v as JSON, or text for people.
func (c *command) print(v any, text string, args ...any) error {
	if *c.json {
		return json.NewEncoder(c.stdout).Encode(v)
	}
	_, err := fmt.Fprintf(c.stdout, text, args...)
	return err
}
