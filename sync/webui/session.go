package webui

import (
	"encoding/hex"
	"strconv"
	"time"

	"yipiao/sync/ticket"
)

// A State is a state as colour class and word.
type State struct{ Class, Word string }

// SessionState says where a session stands at now.
func (s Speaker) SessionState(x *ticket.Session, now time.Time) State {
	ms := now.UnixMilli()
	switch {
	case x.Status == ticket.SessionCancelled:
		return State{"warn", s.T("session.cancelled")}
	case ms < x.AdmitFromMs:
		return State{"", s.T("session.from", ticket.Time(x.AdmitFromMs).Format("15:04"))}
	case ms <= x.AdmitToMs:
		return State{"ok", s.T("session.admitting")}
	case ms <= x.EndMs:
		return State{"info", s.T("session.running")}
	}
	return State{"", s.T("session.ended")}
}

// ID makes a string or number usable in an element's id.
func ID[T string | uint64](v T) string {
	switch v := any(v).(type) {
	case uint64:
		return strconv.FormatUint(v, 10)
	case string:
		return hex.EncodeToString([]byte(v))
	}
	return ""
}
