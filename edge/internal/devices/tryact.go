package devices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/face"
)

// gate tells the counters, and lets one person through where that was asked for.
func (t *trial) gate(ctx context.Context) bool {
	values := make(map[string]string)
	if c, ok := t.u.dev.(drivers.PassageCounter); ok {
		if n, known := c.LastCounters(); known {
			values["entry"], values["exit"] = strconv.FormatUint(uint64(n.Entry), 10), strconv.FormatUint(uint64(n.Exit), 10)
			values["entry_permits"], values["exit_permits"] = strconv.Itoa(int(n.EntryPermits)), strconv.Itoa(int(n.ExitPermits))
		}
	}
	if on := t.u.alarmsOn(); len(on) > 0 {
		values["alarms"] = strings.Join(on, ",")
	}
	t.tell("gate_read", values)
	if !t.req.Open {
		return true
	}
	permit := drivers.Permit{ID: drivers.PermitID(firstTryPermit + tryPermits.Add(1)), Direction: t.req.Direction, For: tryPermit}
	if code, err := t.release(ctx, permit); err != nil {
		t.tell(code, map[string]string{"error": err.Error()})
		return false
	}
	t.tell("gate_open", map[string]string{"seconds": strconv.Itoa(int(tryPermit / time.Second))})
	return t.passage(ctx, permit)
}

// alarmsOn are the alarms that are on, in alphabetical order.
func (u *unit) alarmsOn() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var on []string
	for kind := range u.alarms {
		on = append(on, string(kind))
	}
	slices.Sort(on)
	return on
}

func (t *trial) release(ctx context.Context, p drivers.Permit) (code string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryCommand)
	defer cancel()
	err = t.u.dev.(drivers.Gate).Release(ctx, p)
	switch {
	case errors.Is(err, drivers.ErrPermitOpen):
		return "gate_busy", err
	case errors.Is(err, drivers.ErrRefused):
		return "gate_refused", err
	}
	return "gate_no_answer", err
}

// passage waits for the end of the test's permit.
func (t *trial) passage(ctx context.Context, p drivers.Permit) bool {
	limit := time.NewTimer(tryPermit + tryPassing)
	defer limit.Stop()
	for {
		e, end := t.next(ctx, limit.C, "passage_unknown")
		if end != "" {
			t.withdraw(ctx, p.Direction)
			t.tell(end, nil)
			return false
		}
		switch e := e.(type) {
		case Down:
			if e.RunEnded {
				t.tell("device_lost", nil)
				return false
			}
		case drivers.Passage:
			if e.Permit == p.ID {
				return t.passed(e)
			}
		}
	}
}

// passed tells how a permit ended. A gate that cannot tell has done what it can.
func (t *trial) passed(p drivers.Passage) bool {
	values := map[string]string{"count": strconv.FormatUint(uint64(p.Count), 10)}
	switch p.Outcome {
	case drivers.Passed:
		t.tell("passed", values)
		return true
	case drivers.Lapsed:
		t.tell("lapsed", values)
		return false
	case drivers.Unknown:
	}
	t.tell("passage_unknown", nil)
	return true
}

// withdraw takes the permit of a test back that has ended early; a gate that does not count lets it run out.
func (t *trial) withdraw(ctx context.Context, d drivers.Direction) {
	c, ok := t.u.dev.(drivers.PassageCounter)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryCommand)
	defer cancel()
	if _, err := c.Withdraw(ctx, d); err != nil {
		t.u.log.Warn("permit of a test not withdrawn, it runs out by itself", "error", err)
	}
}

// printer tells its status, and prints a test page where that was asked for.
func (t *trial) printer(ctx context.Context) bool {
	st := t.u.snapshot().Printer
	if st == nil {
		t.tell("printer_silent", nil) // it tells nothing of itself, which is no fault
	} else {
		t.tell("printer_read", printerValues(st))
	}
	if !t.req.Print {
		return st == nil || st.Online && st.Paper != drivers.LevelOut && !st.Error
	}
	page, serial, err := testPage(t.u.cfg.Name, t.req.Title, time.Now())
	if err != nil {
		t.tell("not_printed", map[string]string{"error": err.Error()})
		return false
	}
	t.tell("printing", map[string]string{"serial": serial})
	ctx, cancel := context.WithTimeout(ctx, tryPrinting)
	defer cancel()
	proof, err := t.u.dev.(drivers.Printer).Print(ctx, drivers.Job{Serial: serial, Page: page})
	values := map[string]string{"serial": serial}
	if err != nil {
		values["error"] = err.Error()
	}
	switch proof {
	case drivers.Printed:
		t.tell("printed", values)
		return true
	case drivers.NotPrinted:
		t.tell("not_printed", values)
	case drivers.Unproven, 0:
		t.tell("unproven", values)
	}
	return false
}

func printerValues(st *drivers.PrinterStatus) map[string]string {
	v := map[string]string{"online": strconv.FormatBool(st.Online)}
	for key, value := range map[string]string{"paper": string(st.Paper), "ribbon": string(st.Ribbon), "note": st.Note} {
		if value != "" {
			v[key] = value
		}
	}
	for key, on := range map[string]bool{"cover_open": st.Cover, "cutter_jammed": st.Cutter, "fault": st.Error} {
		if on {
			v[key] = "true"
		}
	}
	return v
}

// Size of the test page in mm: what 58 mm paper has room for.
const (
	pageWidth  = 48
	pageHeight = 60
)

// testPage is what a printer must be able to print: a QR code, Chinese characters, one of which has four bytes in
// GB 18030, and the date. Its serial number is used once.
func testPage(device, title string, now time.Time) (*face.Page, string, error) {
	serial := "TEST-" + strconv.FormatInt(now.UnixMilli(), 10)
	f := &face.Face{Name: "test", WidthMM: pageWidth, HeightMM: pageHeight, Elements: []face.Element{
		{Kind: face.Box, X: 0.5, Y: 0.5, W: pageWidth - 1, H: pageHeight - 1},
		{Kind: face.Text, X: 2, Y: 2, W: pageWidth - 4, Text: "驿票测试页 TEST", SizePt: 14, Bold: true},
		{Kind: face.Text, X: 2, Y: 9, W: pageWidth - 4, Text: "{title} {device}", SizePt: 9},
		{Kind: face.Text, X: 2, Y: 14, W: pageWidth - 4, Text: "{date}", SizePt: 9},
		{Kind: face.Text, X: 2, Y: 19, W: pageWidth - 4, Text: "GB 18030：西湖景区 " + fourBytes, SizePt: 9},
		{Kind: face.QR, X: 10, Y: 25, W: 28, H: 28, Text: "{serial}"},
		{Kind: face.Text, X: 2, Y: 54, W: pageWidth - 4, Text: "非入场凭证 not a ticket", SizePt: 8},
	}}
	page, err := face.Layout(f, face.Values{
		"device": device, "title": title, "serial": serial, "date": now.Format("2006-01-02 15:04:05"),
	})
	if err != nil {
		return nil, "", fmt.Errorf("test page: %w", err)
	}
	return page, serial, nil
}

// fourBytes is a character, in use in names, that has four bytes in GB 18030.
const fourBytes = "𠮷"
