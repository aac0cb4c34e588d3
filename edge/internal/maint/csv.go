package maint

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"yipiao/edge/internal/desk"
	"yipiao/sync/webui"
)

// table is a shift report as rows: section, what, where, number, from, to.
func (o office) table(s webui.Speaker, r *desk.Report) [][]string {
	w := o.report(s, r)
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	out := [][]string{
		{s.T("csv.section"), s.T("csv.what"), s.T("csv.where"), s.T("csv.number"), s.T("csv.from"), s.T("csv.to")},
		{s.T("shift.title"), "", o.scopeTitle(s, r.Scope), n(w.Total), stamp(r.FromMs), stamp(r.ToMs - 1)},
	}
	if w.Kept != "" {
		out = append(out, []string{s.T("shift.kept", w.Kept), "", "", "", w.Kept, ""})
	}
	for _, x := range w.Sums {
		out = append(out, []string{s.T("shift.outcomes"), x.Word, "", n(x.N), "", ""})
	}
	for _, x := range w.Reasons {
		out = append(out, []string{s.T("shift.reasons"), x.Word, x.Mark.Word, n(x.N), "", ""})
	}
	for _, x := range w.Admissions {
		out = append(out, []string{s.T("shift.entered"), x.Show, x.Lane, n(x.Entered), "", ""})
		if x.Unsure > 0 {
			out = append(out, []string{s.T("shift.unsure"), x.Show, x.Lane, n(x.Unsure), "", ""})
		}
	}
	for _, x := range w.Faults {
		out = append(out, []string{s.T("shift.faults"), x.State.Word, x.Name, n(x.N), x.First, x.Last})
	}
	for _, x := range w.Outages {
		out = append(out, []string{s.T("shift.outages"), x.Span, "", "", x.From, x.To})
	}
	return out
}

// csvText writes a table for office programs: the mark says that it is UTF-8, and a cell that begins like
// a formula is made plain text, since names come from elsewhere.
func csvText(table [][]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for _, row := range table {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		if err := w.Write(row); err != nil {
			return nil, fmt.Errorf("write a table: %w", err)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}
