package printer

import (
	"fmt"
	"slices"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// SetPaper says whether the paper is low or out; a paper that is in ends what PaperOutAfter began.
func (p *Printer) SetPaper(low, out bool) {
	p.rec.Add("paper", map[bool]string{true: "纸尽 / paper out", false: "有纸 / paper is in"}[out], nil)
	p.mu.Lock()
	p.outIn = -1
	p.mu.Unlock()
	p.change(func(c *Condition) { c.PaperLow, c.PaperOut = low, out })
}

// PaperOutAfter lets the paper end after so many more rows.
func (p *Printer) PaperOutAfter(rows int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outIn = rows
}

// SetRibbon says whether the ribbon is low or out.
func (p *Printer) SetRibbon(low, out bool) {
	p.rec.Add("ribbon", map[bool]string{true: "碳带尽 / ribbon out", false: "有碳带 / ribbon is in"}[out], nil)
	p.change(func(c *Condition) { c.RibbonLow, c.RibbonOut = low, out })
}

// SetCover opens or closes the cover.
func (p *Printer) SetCover(open bool) {
	p.rec.Add("cover", map[bool]string{true: "开盖 / cover opened", false: "合盖 / cover closed"}[open], nil)
	p.change(func(c *Condition) { c.Cover = open })
}

// SetOnline presses the button.
func (p *Printer) SetOnline(online bool) {
	p.rec.Add("button", map[bool]string{true: "联机 / online", false: "脱机 / offline"}[online], nil)
	p.change(func(c *Condition) { c.Online = online })
}

// JamCutter lets the next cut jam.
func (p *Printer) JamCutter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jamNext = true
}

// JamNow jams the cutter without a cut.
func (p *Printer) JamNow() {
	p.rec.Add("cutter", "切刀卡住 / cutter jammed", nil)
	p.change(func(c *Condition) { c.Cutter, c.Waiting = true, p.set.Model == ESCPOS })
}

// FreeCutter takes the jam out. An ESC/POS printer then still waits to be told how to go on.
func (p *Printer) FreeCutter() {
	p.rec.Add("cutter", "切刀已清理 / cutter freed", nil)
	p.change(func(c *Condition) {
		c.Cutter = false
	})
}

// PowerOffAfter lets the power fail after so many more rows.
func (p *Printer) PowerOffAfter(rows int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.darkIn = rows
}

// PowerOff cuts the power: what was sent is lost, the paper stays where it is.
func (p *Printer) PowerOff() {
	p.rec.Add("power", "断电 / power off", nil)
	p.change(func(c *Condition) { c.Powered, c.Waiting, c.Busy = false, false, false })
	p.forget()
}

// PowerOn brings the power back.
func (p *Printer) PowerOn() {
	p.rec.Add("power", "上电 / power on", nil)
	p.change(func(c *Condition) { c.Powered = true })
	p.fw.poweredOn()
}

// Tear takes out what paper there is; it counts as a ticket that is not cut.
func (p *Printer) Tear() { p.release(false) }

// Raw sends bytes as they are, as a faulty printer does.
func (p *Printer) Raw(wire []byte) error {
	p.mu.Lock()
	line := p.line
	p.mu.Unlock()
	if line == nil {
		return board.ErrUnplugged
	}
	p.rec.Add(tape.Sent, "原样发送 / sent raw bytes", wire)
	if _, err := line.Write(wire); err != nil {
		return fmt.Errorf("printer: %w", err)
	}
	return nil
}

// Tickets returns what came out so far.
func (p *Printer) Tickets() []Ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tickets)
}

// A State is what a printer shows.
type State struct {
	Model     string    `json:"model"`
	Condition Condition `json:"condition"`
	Tickets   int       `json:"tickets"` // that came out
	Rows      int       `json:"rows"`    // of paper that stick out, not cut
	Queued    int       `json:"queued"`  // bytes
}

// State reports how the printer is.
func (p *Printer) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Model: p.set.Model, Condition: p.cond, Tickets: len(p.tickets), Rows: len(p.paper), Queued: len(p.queue)}
}
