package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// A Code says in a stable way why a backup or a restore did not succeed.
type Code string

// Codes.
const (
	CodeNoRecipient Code = "no_recipient" // nobody to encrypt for: the venue has no recovery key
	CodeNoFolder    Code = "no_folder"    // the folder does not exist
	CodeNotMounted  Code = "not_mounted"  // the folder lies on the system's disk: no stick is mounted there
	CodeDiskFull    Code = "disk_full"
	CodeReadOnly    Code = "read_only"
	CodeForbidden   Code = "forbidden"
	CodeDisk        Code = "disk" // any other failure of the file system
	CodeStopped     Code = "stopped"
	CodeWrongKey    Code = "wrong_key"
	CodeBadKey      Code = "bad_key"
	CodeDamaged     Code = "damaged"
	CodeFormat      Code = "format" // written by a later program
	CodeBusy        Code = "busy"   // another backup is being made
	CodeNotEmpty    Code = "not_empty"
	CodeOtherOne    Code = "other_station"
	CodeStation     Code = "station" // the station's memory could not be read
)

var words = map[Code]string{
	CodeNoRecipient: "没有恢复密钥，备份无人能解开，所以不做：请运行 yipiao backup recovery-key new (no recovery key yet)",
	CodeNoFolder:    "备份目录不存在：检查配置，或插好 U 盘并挂载 (the folder does not exist)",
	CodeNotMounted:  "U 盘没有挂载：该目录在系统盘上，插好 U 盘后再试 (no stick is mounted there)",
	CodeDiskFull:    "磁盘空间不足：换一个盘，或删掉不要的文件 (not enough space)",
	CodeReadOnly:    "磁盘是只读的：检查 U 盘的写保护开关 (read-only file system)",
	CodeForbidden:   "没有写入该目录的权限 (no permission to write there)",
	CodeDisk:        "磁盘读写出错：换一个盘 (the disk fails)",
	CodeStopped:     "备份未完成就被停止 (stopped before it was complete)",
	CodeWrongKey:    "这把密钥打不开这份备份 (not the key of this backup)",
	CodeBadKey:      "密钥读不懂：请逐行核对 (the key cannot be read)",
	CodeDamaged:     "备份已损坏或不完整：请用另一份 (damaged or incomplete: take another one)",
	CodeFormat:      "备份来自更新的程序版本：请先升级本程序 (written by a later version)",
	CodeBusy:        "正在做另一次备份，请稍候 (another backup is being made)",
	CodeNotEmpty:    "这台机器上已有驿站数据：恢复只能在空目录里进行 (there is a station already)",
	CodeOtherOne:    "一次性码属于另一个驿站 (the one-time code belongs to another station)",
	CodeStation:     "驿站数据读不出来 (the station's data cannot be read)",
}

// An Error is a failure with its code and a sentence for people.
type Error struct {
	Code Code
	Err  error // technical; may be nil
}

// Error is the sentence with the technical reason behind it.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Say()
	}
	return fmt.Sprintf("%s: %v", e.Say(), e.Err)
}

// Say is the sentence for people, Chinese first.
func (e *Error) Say() string { return words[e.Code] }

// Unwrap returns the technical reason.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of an error of this package, CodeDisk for any other, "" for nil.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return CodeDisk
}

func fail(code Code, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// diskError gives an error of the file system its code. An error that has one keeps it.
func diskError(what string, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return err
	}
	err = fmt.Errorf("%s: %w", what, err)
	for _, c := range []struct {
		code Code
		is   []error
	}{
		{CodeDiskFull, []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}},
		{CodeReadOnly, []error{syscall.EROFS}},
		{CodeForbidden, []error{fs.ErrPermission}},
		{CodeNoFolder, []error{fs.ErrNotExist, syscall.ENOTDIR}},
		{CodeStopped, []error{os.ErrDeadlineExceeded}},
	} {
		for _, is := range c.is {
			if errors.Is(err, is) {
				return &Error{Code: c.code, Err: err}
			}
		}
	}
	return &Error{Code: CodeDisk, Err: err}
}
