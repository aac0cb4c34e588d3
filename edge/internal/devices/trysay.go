package devices

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// tryTexts says every code of a TryStep to people.
var tryTexts = map[string]string{
	"device_state":      "设备状态 (state)",
	"device_lost":       "设备不可用：没插上、打不开或没有回答 (the device cannot be used)",
	"cancelled":         "测试已中止 (cancelled)",
	"trigger_on":        "已让扫码器开始读 (reading begun by command)",
	"trigger_on_failed": "扫码器没有接受开始读的指令，请用手触发 (did not obey: trigger it by hand)",
	"beep":              "已让扫码器发声 (beeped by command)",
	"beep_failed":       "扫码器没有接受发声指令 (did not obey the command to beep)",
	"waiting_code":      "请扫一个码。通道照常工作：不要用真票 (scan a code; the lane is at work, do not use a real ticket)",
	"waiting_card":      "请把证件、卡或标签放到读头上 (lay a document, card or tag on the reader)",
	"nothing_came":      "等到时间也没有读到 (nothing was read in time)",
	"code_read":         "读到一个码 (a code was read)",
	"code_fault":        "读到的不是完整的码，请再扫 (not a whole code, scan again)",
	"card_read":         "读到一张证件 (a document was read)",
	"card_fault":        "有证件但读不出，请拿开再放 (a document that cannot be read: lay it again)",
	"tag_read":          "读到一个标签 (a chip was read)",
	"gate_read":         "闸机计数 (the gate's counters)",
	"gate_open":         "闸门已放行一人，请走过去 (open for one person: walk through)",
	"gate_busy":         "闸机正在放行别人，请稍后再试 (the gate is open for somebody else)",
	"gate_refused":      "闸机拒绝放行 (the gate refused)",
	"gate_no_answer":    "闸机没有回答，门视为没开 (no answer: taken as closed)",
	"passed":            "有一人通过 (one person passed)",
	"lapsed":            "没有人通过，放行已过期 (nobody passed)",
	"passage_unknown":   "闸机不能说明是否有人通过 (the gate cannot tell whether anybody passed)",
	"printer_read":      "打印机状态 (the printer's status)",
	"printer_silent":    "打印机不报告状态 (the printer tells nothing of itself)",
	"printing":          "正在打印测试页 (printing a test page)",
	"printed":           "打印机证明测试页已打出 (printed, the printer has proved it)",
	"not_printed":       "没有打印 (not printed)",
	"unproven":          "已发送，但打印机没有证明，请看纸 (sent and not proved: look at the paper)",
}

func sayTry(code string) string { return tryTexts[code] }

// maskCode shows how a code begins, which tells what sort it is, and never more than a third of it.
func maskCode(code []byte) string {
	n := min(4, len(code)/3)
	return string(code[:n]) + "…"
}

// maskNumber keeps three characters of a document's number at its beginning and two at its end.
func maskNumber(number string) string {
	if len(number) < 8 || utf8.RuneCountInString(number) != len(number) {
		return strings.Repeat("*", utf8.RuneCountInString(number))
	}
	return number[:3] + strings.Repeat("*", len(number)-5) + number[len(number)-2:]
}

// maskName keeps the first character of a name.
func maskName(name string) string {
	r := []rune(name)
	if len(r) == 0 {
		return ""
	}
	return string(r[:1]) + strings.Repeat("*", min(len(r)-1, 3))
}

// maskID shows the first two bytes of a chip's number and its last.
func maskID(id []byte) string {
	if len(id) < 4 {
		return strings.Repeat("*", 2*len(id))
	}
	return strings.ToUpper(hex.EncodeToString(id[:2]) + "…" + hex.EncodeToString(id[len(id)-1:]))
}
