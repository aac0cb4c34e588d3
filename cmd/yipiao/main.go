// Command yipiao is the operator's and developer's tool: it runs the demonstration system, scans its
// tickets, enrols stations, and compares station and cloud.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// A command is one word behind yipiao.
type command struct {
	name, args, help string
	run              func(ctx context.Context, t *tool, args []string) error
}

func commands() []command {
	return []command{
		{"run", "", "启动整个系统：云端、驿站、模拟设备、样例数据 (run everything on this machine)", cmdRun},
		{"demo", "[scan [--next] [--lane N] | cut | mend]", "演示：扫一张票、断网、恢复；不带参数则逐步讲完 (the story, step by step)", cmdDemo},
		{"status", "[--json]", "各部分是否就绪；全部就绪时退出码为 0 (exit 0 only when everything is up)", cmdStatus},
		{"verify", "[--wait 30s] | --dir DIR", "比对驿站与云端；DIR 为驿站数据目录时，核对停着的驿站的全部数据 (compare station and cloud, or check a stopped station)", cmdVerify},
		{"enroll", "--data DIR CODE", "用一次性码把本机登记为驿站 (make this machine a station)", cmdEnroll},
		{"device", "add --name NAME --lane L1[,L2]", "在驿站登记一台手持或工具 (register a handheld or a tool)", cmdDevice},
		{"station", "bridge-code --name NAME | devices | revoke ID", "驿站：给终端机的登记码、已登记的设备、吊销 (codes for bridges, devices, revoking)", cmdStation},
		{"bridge", "[--config bridge.json] | enrol CODE", "在自助机、窗口或闸机电脑上运行，把本机端口提供给驿站 (offer this machine's ports to the station)", cmdBridge},
		{"doctor", "devices [--watch | --test NAME | --port P --kind K]", "插着什么设备、用上没有、怎么配、测试一台 (what is plugged in, and testing it)", cmdDoctor},
		{"backup", "[--stick] | show FILE --key FILE | recovery-key new", "立即备份、查看备份、更换恢复密钥 (make, check; replace the key)", cmdBackup},
		{"restore", "--from FILE --key FILE --code CODE --data DIR", "在空机器上恢复驿站 (make an empty machine the station of a backup)", cmdRestore},
		{"journal", "upload --from DIR|BACKUP", "补传旧机器的账本 (hand over an old machine's facts)", cmdJournal},
		{"bench", "[--out FILE]", "测量，并与本次运行的磁盘基准相比 (measure against this run's disk)", cmdBench},
	}
}

// A tool is what commands share. out is for people and programs, errs for remarks.
type tool struct {
	out, errs io.Writer
	dir       string // data directory of `yipiao run`
}

// printf writes to the tool's output; an output that cannot be written to has no reader to tell.
func (t *tool) printf(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

// errUsage ends with exit code 2 after the usage was printed.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := dispatch(ctx, &tool{out: os.Stdout, errs: os.Stderr}, os.Args[1:])
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		_, _ = fmt.Fprintln(os.Stderr, "yipiao:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, t *tool, args []string) error {
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.run(ctx, t, args[1:])
			}
		}
	}
	_, _ = fmt.Fprintln(t.errs, "驿票 yipiao：一人一票，断网照检 (one person, one ticket, also offline)\n\n用法 (usage): yipiao COMMAND [--dir var] …")
	for _, c := range commands() {
		_, _ = fmt.Fprintf(t.errs, "  %-8s %-40s %s\n", c.name, c.args, c.help)
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return nil
	}
	_, _ = fmt.Fprintf(t.errs, "\n没有这个命令 (no such command): %s\n", args[0])
	return errUsage
}

// flags returns a flag set that knows --dir and prints to the tool's remarks.
func (t *tool) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet("yipiao "+name, flag.ContinueOnError)
	fs.SetOutput(t.errs)
	fs.StringVar(&t.dir, "dir", "var", "data `directory` of yipiao run")
	return fs
}

func parse(fs *flag.FlagSet, args []string) error {
	err := fs.Parse(args)
	if err != nil {
		return errUsage
	}
	return nil
}
