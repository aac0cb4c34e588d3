package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"yipiao/edge"
)

func cmdEnroll(ctx context.Context, t *tool, args []string) error {
	fs := t.flags("enroll")
	data := fs.String("data", "", "data `directory` of the station")
	keyFile := fs.String("recovery-key", "", "`file` for the new recovery key, for example on a stick, instead of showing it")
	recipient := fs.String("recipient", "", "existing recovery key's public half (`age1…`) instead of a new one")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *data == "" || fs.NArg() != 1 {
		_, _ = fmt.Fprintln(t.errs, "用法 (usage): yipiao enroll --data DIR CODE    CODE：云端给出的一次性码，30 分钟内有效")
		return errUsage
	}
	done, err := edge.Enroll(ctx, *data, fs.Arg(0))
	if errors.Is(err, edge.ErrEnrolled) {
		return fmt.Errorf("%w: %s", err, *data)
	}
	if err != nil {
		return err
	}
	t.printf("登记成功 (enrolled)：%s %s\n技术员账号 (account)：%s\n密码，只显示这一次 (password, shown once)：%s\n",
		done.Station, done.Venue, done.Account, done.Password)
	return t.recoveryKey(*data, *keyFile, *recipient)
}

// recoveryKey sees to it that a station's backups can be opened: with a key that exists, or a new one.
func (t *tool) recoveryKey(dir, file, recipient string) error {
	if recipient != "" {
		return edge.SetRecipient(dir, recipient)
	}
	if have, err := edge.Recipient(dir); err != nil || have != "" {
		return err
	}
	return t.newRecoveryKey(dir, file)
}

// newDevice is what the station answers to a registration; the token is told once.
type newDevice struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

func addDevice(ctx context.Context, a *api, name string, lanes, may []string) (newDevice, error) {
	var out newDevice
	if lanes == nil {
		lanes = []string{}
	}
	err := a.call(ctx, http.MethodPost, "/api/v1/devices", map[string]any{"name": name, "lanes": lanes, "may": may}, &out)
	return out, err
}

func cmdDevice(ctx context.Context, t *tool, args []string) error {
	if len(args) == 0 || args[0] != "add" {
		_, _ = fmt.Fprintln(t.errs, "用法 (usage): yipiao device add --name 手持1 --lane L1,L2    技术员密码取自环境变量 YIPIAO_PASSWORD，缺省用 make run 的账号")
		return errUsage
	}
	fs := t.flags("device add")
	name := fs.String("name", "", "`name` of the device, as people call it")
	lanes := fs.String("lane", "", "`lanes` it may check at, with commas between")
	may := fs.String("may", "check", "what it may do: check, read")
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	s, err := loadSystem(t.dir)
	if err != nil {
		return err
	}
	a, err := s.client("驿站 (station)", s.Ports.stationLAN(), "")
	if err != nil {
		return err
	}
	who := s.Station
	if p := os.Getenv("YIPIAO_PASSWORD"); p != "" {
		who.Password = p
	}
	if err := a.login(ctx, who); err != nil {
		return err
	}
	d, err := addDevice(ctx, a, *name, split(*lanes), split(*may))
	if err != nil {
		return err
	}
	t.printf("已登记 (registered)：%s\n令牌，只显示这一次 (token, shown once)：%s\n", d.ID, d.Token)
	return nil
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
