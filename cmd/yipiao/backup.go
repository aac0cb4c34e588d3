package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yipiao/edge"
	"yipiao/sync/ticket"
)

const backupUsage = `用法 (usage):
  yipiao backup [--stick]                              让运行中的驿站立即备份 (make one now, by the running station)
  yipiao backup show FILE --key FILE|-                 解密并完整校验一份备份，说明其内容 (check a backup whole)
  yipiao backup recovery-key new --config FILE [--old-key FILE|-] [--recovery-key FILE] [--yes]
                                                       更换恢复密钥 (replace the recovery key)
  技术员密码取自环境变量 YIPIAO_PASSWORD；--config 指明驿站配置，缺省用 make run 的驿站
`

func cmdBackup(ctx context.Context, t *tool, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "show":
		return backupShow(t, args[1:])
	case len(args) > 1 && args[0] == "recovery-key" && args[1] == "new":
		return backupNewKey(ctx, t, args[2:])
	case len(args) > 0 && !strings.HasPrefix(args[0], "-"):
		_, _ = fmt.Fprint(t.errs, backupUsage)
		return errUsage
	}
	fs := t.flags("backup")
	config := fs.String("config", "", "configuration `file` of the station; default: that of yipiao run")
	account := fs.String("account", edge.Technician, "`name` to log in with")
	stick := fs.Bool("stick", false, "on the USB stick that the configuration names")
	if err := parse(fs, args); err != nil {
		return err
	}
	a, err := t.loggedIn(ctx, *config, *account)
	if err != nil {
		return err
	}
	return t.backupNow(ctx, a, *stick)
}

// loggedIn logs in at a station: that of a configuration, or that of `yipiao run`.
func (t *tool) loggedIn(ctx context.Context, config, name string) (*api, error) {
	who := account{Name: name, Password: os.Getenv("YIPIAO_PASSWORD")}
	var a *api
	if config != "" {
		cfg, err := edge.LoadConfig(config)
		if err != nil {
			return nil, err
		}
		if a, err = newAPI("驿站 (station)", cfg.Listen.LAN, "", filepath.Join(cfg.Data, "root.pem")); err != nil {
			return nil, err
		}
	} else {
		s, err := loadSystem(t.dir)
		if err != nil {
			return nil, err
		}
		if who.Password == "" {
			who = s.Station
		}
		if a, err = s.client("驿站 (station)", s.Ports.stationLAN(), ""); err != nil {
			return nil, err
		}
	}
	return a, a.login(ctx, who)
}

// backupWait is how long a slow stick may take.
const backupWait = 15 * time.Minute

// backupNow asks for a backup and follows it to its end.
func (t *tool) backupNow(ctx context.Context, a *api, stick bool) error {
	ctx, cancel := context.WithTimeout(ctx, backupWait)
	defer cancel()
	var before, st edge.BackupStatus
	if err := a.get(ctx, "/api/v1/backups", &before); err != nil {
		return err
	}
	if err := a.call(ctx, http.MethodPost, "/api/v1/backups", map[string]any{"stick": stick}, &st); err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	shown := -1
	for {
		if err := a.get(ctx, "/api/v1/backups", &st); err != nil {
			return err
		}
		if st.Running != "" && st.Rows != shown {
			shown = st.Rows
			_, _ = fmt.Fprintf(t.errs, "  %d / %d\n", st.Rows, st.Of)
		}
		if l := st.ByHand; l != nil && (before.ByHand == nil || *before.ByHand != *l) {
			if l.Code != "" {
				return fmt.Errorf("备份没有做成 (not made): %s [%s]", l.Message, l.Code)
			}
			t.printf("已备份 (made)：%s\n  %s，%d 张票，%d 条云端尚未收到的记录，用时 %d ms；可用密钥 (keys)：%s\n",
				l.File, size(l.Bytes), l.Tickets, l.Facts, l.TookMs, strings.Join(st.Keys, ", "))
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// openKey opens a key file, or the standard input for "-".
func openKey(path string) (io.ReadCloser, error) {
	switch path {
	case "":
		return nil, errors.New("请用 --key 指明恢复密钥文件，或用 --key - 从标准输入读取 (name the key)")
	case "-":
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(path)
}

func backupShow(t *tool, args []string) error {
	fs := t.flags("backup show")
	key := fs.String("key", "", "`file` with the recovery key, - for the standard input")
	if err := parse(fs, behind(args)); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		_, _ = fmt.Fprint(t.errs, backupUsage)
		return errUsage
	}
	k, err := openKey(*key)
	if err != nil {
		return err
	}
	defer func() { _ = k.Close() }()
	c, err := edge.ShowBackup(fs.Arg(0), k)
	if err != nil {
		return err
	}
	t.describe(&c)
	return nil
}

// behind moves arguments that are not flags behind those that are, as people write them first.
func behind(args []string) []string {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return append(append([]string{}, args[1:]...), args[0])
	}
	return args
}

func (t *tool) describe(c *edge.BackupContents) {
	made := ticket.Time(c.MadeMs)
	t.printf("备份 (backup)：%s %s，%s，%s 前 (ago)\n", c.Station, c.Venue, made.Format("2006-01-02 15:04:05"), time.Since(made).Round(time.Minute))
	t.printf("  场次 %d，票 %d，账号与设备 %d；账本第 %d 期 #%d，其中 %d 条云端当时尚未收到 (facts)\n",
		c.Counts.Sessions, c.Counts.Tickets, c.Counts.Local, c.Journal.Epoch, c.Journal.Seq, c.Counts.Facts)
}

func backupNewKey(_ context.Context, t *tool, args []string) error {
	fs := t.flags("backup recovery-key new")
	config := fs.String("config", "", "configuration `file` of the station")
	old := fs.String("old-key", "", "`file` with the present key, - for the standard input: kept backups are encrypted anew")
	out := fs.String("recovery-key", "", "`file` for the new key, for example on a stick, instead of showing it")
	yes := fs.Bool("yes", false, "do not ask")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, err := edge.LoadConfig(*config)
	if err != nil {
		return err
	}
	if !*yes && !t.agreed("更换恢复密钥：以后的备份只能用新密钥打开 (replace the recovery key)？") {
		return errors.New("没有更换 (not replaced)")
	}
	if err := t.newRecoveryKey(cfg.Data, *out); err != nil {
		return err
	}
	var key io.ReadCloser
	if *old != "" {
		if key, err = openKey(*old); err != nil {
			return err
		}
		defer func() { _ = key.Close() }()
	}
	var oldKey io.Reader
	if key != nil {
		oldKey = key
	}
	did, err := edge.Reseal(cfg, oldKey)
	if err != nil {
		return err
	}
	t.printf("已用新密钥重新加密 (encrypted anew)：%d 份\n", len(did.Done))
	for _, left := range did.Left {
		t.printf("  仍需旧密钥 (still needs the old key)：%s\n", left)
	}
	t.printf("请立即做一次备份 (make one now)：yipiao backup --config %s\n", *config)
	return nil
}

// agreed asks a person; anything but yes is no.
func (t *tool) agreed(question string) bool {
	_, _ = fmt.Fprintf(t.errs, "%s [y/N] ", question)
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes" || line == "是"
}

// newRecoveryKey makes a key, shows it or writes it to a file, and only then stores its recipient.
func (t *tool) newRecoveryKey(dir, file string) error {
	k, err := edge.NewRecoveryKey()
	if err != nil {
		return err
	}
	if file != "" {
		if err := writeKey(file, k); err != nil {
			return fmt.Errorf("恢复密钥写不进去 (recovery key): %w", err)
		}
		t.printf("恢复密钥已写入 (recovery key)：%s    请取走保管，本机不留 (take it away)\n", file)
		return edge.SetRecipient(dir, k.Recipient)
	}
	qr, err := k.QR()
	if err != nil {
		return err
	}
	t.printf("恢复密钥，只显示这一次：没有它，备份谁也打不开 (recovery key, shown once)\n\n%s\n%s\n", k.Lines(), qr)
	t.printf("每行 # 后两个字符用于核对抄写。请抄下或拍下，离开本机保管 (copy it and keep it elsewhere)\n")
	return edge.SetRecipient(dir, k.Recipient)
}

// writeKey writes a key file that is not there yet, as age reads it.
func writeKey(path string, k edge.RecoveryKey) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "# 驿票恢复密钥 (recovery key of a Yipiao station)\n%s%s\n%s\n", publicLine, k.Recipient, k.Private)
	return errors.Join(err, f.Sync(), f.Close())
}

const publicLine = "# public key: "

// publicKey is the public half that a key file names, "" for none.
func publicKey(text string) string {
	_, rest, _ := strings.Cut(text, publicLine)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
