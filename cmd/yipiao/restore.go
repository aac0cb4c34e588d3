package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"yipiao/edge"
)

func cmdRestore(ctx context.Context, t *tool, args []string) error {
	fs := t.flags("restore")
	from := fs.String("from", "", "backup `file`")
	key := fs.String("key", "", "`file` with the recovery key, - for the standard input")
	code := fs.String("code", "", "one-time `code` of cloudd enrol-code --replace")
	data := fs.String("data", "", "data `directory` of the station, without a station in it")
	config := fs.String("config", "", "`file` for the configuration; default station.json in the data directory")
	aside := fs.Bool("set-aside", false, "move a station's files that are there into a folder beside them")
	yes := fs.Bool("yes", false, "do not ask")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *from == "" || *code == "" || *data == "" || *key == "" {
		_, _ = fmt.Fprintln(t.errs, "用法 (usage): yipiao restore --from FILE --key FILE|- --code CODE --data DIR [--config FILE] [--set-aside] [--yes]\n  CODE：云端 cloudd enrol-code --replace --station N 给出的一次性码")
		return errUsage
	}
	if *key == "-" && !*yes {
		return errors.New("--key - 时请加 --yes：标准输入只能用一次 (the standard input is taken by the key)")
	}
	k, err := openKey(*key)
	if err != nil {
		return err
	}
	defer func() { _ = k.Close() }()
	done, err := edge.Restore(ctx, edge.RestoreRequest{
		Archive: *from, Key: k, Code: *code, Dir: *data, Config: *config, SetAside: *aside,
		Say: func(step string) { t.printf("  %s …\n", step) },
		Confirm: func(c edge.BackupContents) error {
			t.describe(&c)
			if *yes || t.agreed("恢复到 "+*data+"？(restore)") {
				return nil
			}
			return errors.New("没有恢复 (not restored)")
		},
	})
	if err != nil {
		return err
	}
	t.restored(&done)
	return nil
}

func (t *tool) restored(d *edge.Restored) {
	t.printf("恢复完成 (restored)：%s %s，账本第 %d 期；补交旧机器记录 %d 条 (facts handed over)\n", d.Station, d.Venue, d.Epoch, d.Uploaded)
	if d.SetAside != "" {
		t.printf("  原有文件移到 (set aside)：%s\n", d.SetAside)
	}
	if d.Config != "" {
		t.printf("  配置 (configuration)：%s    用 stationd -config 启动\n", d.Config)
	}
	if d.CloudKey {
		t.printf("  用的是云端的密钥：请运行 yipiao backup recovery-key new 另做一把 (the venue needs a new recovery key)\n")
	}
	t.printf("  旧机器拿着的票现在谁也不能检。请先补传旧盘的账本 (yipiao journal upload)，再在云端下结论：\n    cloudd station replace --station %s --journal-uploaded    旧记录已齐 (all facts are here)\n    cloudd station replace --station %s --lost                旧机器找不回 (the rest is lost)\n", d.Station, d.Station)
}

func cmdJournal(ctx context.Context, t *tool, args []string) error {
	if len(args) == 0 || args[0] != "upload" {
		_, _ = fmt.Fprintln(t.errs, "用法 (usage): yipiao journal upload --from OLD_DATA_DIR | --from BACKUP --key FILE|- --data DIR")
		return errUsage
	}
	fs := t.flags("journal upload")
	from := fs.String("from", "", "data `directory` of the old machine (its disk or a copy), or a backup")
	key := fs.String("key", "", "with a backup: `file` with the recovery key, - for the standard input")
	data := fs.String("data", "", "with a backup: data `directory` of the station as it is now")
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	info, err := os.Stat(*from)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	n := 0
	if info.IsDir() {
		n, err = edge.UploadJournal(ctx, *from)
	} else {
		var k io.ReadCloser
		if k, err = openKey(*key); err != nil {
			return err
		}
		defer func() { _ = k.Close() }()
		n, err = edge.UploadBackup(ctx, *data, *from, k)
	}
	if err != nil {
		return err
	}
	t.printf("补传完成 (uploaded)：云端新收到 %d 条记录 (facts it did not have)\n", n)
	return nil
}
