package idreader

import (
	"context"
	"fmt"
	"time"
)

// answer carries out one request and says in words what comes of it.
func (r *Reader) answer(ctx context.Context, q request) (out []byte, said string) {
	if q.status != 0 {
		return status(q.status)
	}
	switch [2]byte{q.cmd, q.para} {
	case [2]byte{0x10, 0xFF}, [2]byte{0x11, 0xFF}:
		return status(r.wellness())
	case [2]byte{0x12, 0xFF}:
		if st := r.wellness(); st != stGood {
			return status(st)
		}
		return reply(stGood, r.module), "安全模块编号 / module number"
	case [2]byte{0x20, 1}:
		return r.find()
	case [2]byte{0x20, 2}:
		return r.choose()
	case [2]byte{0x30, 1}:
		return r.read(ctx)
	case [2]byte{0x30, 3}:
		return status(stNoItem)
	}
	return status(stBadCommand)
}

func status(st byte) ([]byte, string) { return reply(st), fmt.Sprintf("状态 %02X / status", st) }

// wellness is how the security module says it is.
func (r *Reader) wellness() byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set.ModuleStatus != 0 {
		return r.set.ModuleStatus
	}
	return stGood
}

// find tells of a card that is not selected yet. A selected one keeps silent until it was lifted.
func (r *Reader) find() ([]byte, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.there()
	switch {
	case r.set.ModuleStatus != 0:
		return status(r.set.ModuleStatus)
	case l == nil || l.selected && !r.set.FindsAgain:
		return reply(stNoCard), "没有证件 / no card"
	}
	l.selected = false
	return reply(stFound, make([]byte, 4)), "找到证件 / card found"
}

func (r *Reader) choose() ([]byte, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.there()
	switch {
	case l == nil || l.selected:
		return reply(stNoSelect), "选卡失败 / not selected"
	case l.card.SelectStatus != 0:
		return status(l.card.SelectStatus)
	}
	l.selected = true
	return reply(stGood, make([]byte, 8)), "已选卡 / selected"
}

// read takes its time; a card that is lifted meanwhile is not read.
func (r *Reader) read(ctx context.Context) ([]byte, string) {
	r.mu.Lock()
	l := r.there()
	wait := time.Duration(r.set.ReadMs) * time.Millisecond
	r.mu.Unlock()
	if l == nil || !l.selected {
		return reply(stReadFailed), "读卡失败：未选卡 / no card selected"
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.there() != l {
		return reply(stReadFailed), "读卡失败：证件被提前取走 / lifted too early"
	}
	if l.card.ReadStatus != 0 {
		l.selected = false // the card has fallen back: it can be found again
		return status(l.card.ReadStatus)
	}
	text, _ := l.card.Text() // Lay has looked at it
	r.reads++
	return reply(stGood, []byte{1, 0, 4, 0}, text, Photo()),
		fmt.Sprintf("读出 %s %s / read %s", l.card.Name, l.card.Number, l.card.Kind)
}
