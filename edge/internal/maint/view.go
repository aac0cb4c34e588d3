package maint

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/lane"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

// A view is an Overview in words, as the templates write it out.
type view struct {
	Bar      barView
	Say      sayView
	Lanes    []laneView
	Sessions []sessionView
	DataAge  webui.Age // of what came from the cloud
	Devices  []deviceView
	Uplink   uplinkView
	Queue    queueView
	Feed     feedView
	RootOnly bool
	Backup   *backupView
	Doc      *docView // another document than the overview
}

// A mark is a state as shape, colour and word.
type mark struct{ Class, Word string }

type barView struct {
	Uplink   badge
	Age      webui.Age
	Clock    string
	ClockBad bool
}

type badge struct{ Class, Icon, Word string }

type laneView struct {
	ID, Class, Title string
	Chip             mark
	Mark             webui.Verdict
	Head, Reason     string // 放行 · A区 12排07座; why
	Holder           string // masked
	Legal            string
	Passage          mark
	Flag, Repeat     bool
	Clock            string
	Latest           bool // the lane that has shown something last
	Age              webui.Age
	Counts           string
	Devices          []mark
}

type sessionView struct {
	ID, Name, Hall, Start string
	State                 mark
	Sold, Entered, Inside int64
	Percent               int64
}

type deviceView struct {
	ID, Name, Kind, Port string
	State                mark
	Age                  webui.Age
	Frames, Errors       uint64
	Counts               bool // frames and errors mean something
	Note                 string
	Self                 string // what it calls itself: firmware and number
	Supplies             []mark // paper, ribbon, cover; battery and network
}

type uplinkView struct {
	Badge       badge
	Since, Last webui.Age
	HasSince    bool
	Offset      string
	Trusted     bool
	Links       []linkView // where there are several
}

type linkView struct {
	Name, RoundTrip string
	State           mark
}

type queueView struct {
	Waiting               uint64
	Dot                   string
	Oldest                webui.Age
	End, Durable, Acked   uint64
	HasOldest, HasNotDisk bool
	NotDisk               uint64
}

type feedView struct {
	Cursor uint64
	Epoch  string
	State  mark
	Aside  int
}

func newView(s webui.Speaker, o Overview, now time.Time) view {
	v := view{
		Bar: newBar(s, &o, now), DataAge: s.Ago(now, o.Uplink.Exchange), RootOnly: o.RootOnlyKey,
		Uplink: newUplink(s, &o, now), Queue: newQueue(s, &o, now), Feed: newFeed(s, &o),
		Backup: newBackup(s, o.Backup, now),
	}
	for i := range o.Lanes {
		v.Lanes = append(v.Lanes, newLane(s, &o.Lanes[i], now))
	}
	for i := range o.Sessions {
		v.Sessions = append(v.Sessions, newSession(s, &o.Sessions[i], now))
	}
	devices := slices.Clone(o.Devices)
	slices.SortStableFunc(devices, func(a, b Device) int { return cmp.Compare(urgency(a.Health.State), urgency(b.Health.State)) })
	for i := range devices {
		v.Devices = append(v.Devices, newDevice(s, &devices[i], now))
	}
	for i := range o.Handhelds {
		v.Devices = append(v.Devices, newHandheld(s, &o.Handhelds[i], now))
	}
	v.Say = newSay(s, &o, now)
	if i := latest(o.Lanes); i >= 0 {
		v.Lanes[i].Latest = true
	}
	return v
}

// latest is the lane that has shown something last, or -1.
func latest(lanes []Lane) int {
	at := -1
	for i := range lanes {
		if !lanes[i].Last.At.IsZero() && (at < 0 || lanes[i].Last.At.After(lanes[at].Last.At)) {
			at = i
		}
	}
	return at
}

func newBar(s webui.Speaker, o *Overview, now time.Time) barView {
	b := barView{Uplink: uplinkBadge(s, o.Uplink.State), Age: s.Ago(now, o.Uplink.Exchange)}
	b.Clock, b.ClockBad = s.T("clock.offset", offset(o.Clock.OffsetMs)), !o.Clock.Trusted
	if b.ClockBad {
		b.Clock = s.T("clock.untrusted")
	}
	return b
}

// reaches reports whether there is a way to the cloud.
func reaches(s UplinkState) bool { return s == Online || s == Backup }

func uplinkBadge(s webui.Speaker, state UplinkState) badge {
	switch state {
	case Online:
		return badge{"", "cable", s.T("uplink.online")}
	case Backup:
		return badge{"backup", "cable", s.T("uplink.backup")}
	case Extreme:
		return badge{"extreme", "unlink", s.T("uplink.extreme")}
	}
	return badge{"unknown", "q", s.T("uplink.unknown")}
}

func newUplink(s webui.Speaker, o *Overview, now time.Time) uplinkView {
	v := uplinkView{
		Badge: uplinkBadge(s, o.Uplink.State), HasSince: !o.Uplink.Since.IsZero(),
		Since: s.Since(now, o.Uplink.Since), Last: s.Ago(now, o.Uplink.Exchange),
		Offset: s.T("clock.ms", offset(o.Clock.OffsetMs)), Trusted: o.Clock.Trusted,
	}
	for _, l := range o.Uplink.Links {
		if len(o.Uplink.Links) > 1 {
			v.Links = append(v.Links, newLink(s, l))
		}
	}
	return v
}

func newLink(s webui.Speaker, l UplinkLink) linkView {
	v := linkView{Name: l.Name}
	switch {
	case !l.Known:
		v.State = mark{"", s.T("link.unknown")}
	case l.Used:
		v.State = mark{"ok", s.T("link.used")}
	case l.Up:
		v.State = mark{"", s.T("link.ready")}
	default:
		v.State = mark{"bad", s.T("link.down")}
	}
	if l.Up && l.RoundTrip > 0 {
		v.RoundTrip = s.T("link.ms", webui.Num(max(1, l.RoundTrip.Milliseconds())))
	}
	return v
}

func offset(ms int64) string {
	if ms > 0 {
		return "+" + webui.Num(ms)
	}
	return webui.Num(ms)
}

// waiting is how many facts the cloud does not hold yet.
func waiting(j Journal) uint64 {
	if j.End <= j.Acked {
		return 0
	}
	return j.End - j.Acked
}

// lateAfter is how old a waiting fact may be before somebody should look, while the cloud answers.
const lateAfter = 5 * time.Minute

func newQueue(s webui.Speaker, o *Overview, now time.Time) queueView {
	j := o.Journal
	q := queueView{Waiting: waiting(j), End: j.End, Durable: j.Durable, Acked: j.Acked, Oldest: s.Since(now, j.Oldest)}
	q.HasOldest = q.Waiting > 0 && !j.Oldest.IsZero()
	if j.End > j.Durable {
		q.NotDisk, q.HasNotDisk = j.End-j.Durable, true
	}
	if late(o, now) {
		q.Dot = "warn"
	}
	return q
}

// late reports facts that wait although the cloud answers. In an outage they wait as they should.
func late(o *Overview, now time.Time) bool {
	return reaches(o.Uplink.State) && waiting(o.Journal) > 0 && !o.Journal.Oldest.IsZero() && now.Sub(o.Journal.Oldest) > lateAfter
}

func newFeed(s webui.Speaker, o *Overview) feedView {
	f := feedView{Cursor: o.Feed.Cursor, Epoch: o.Feed.Epoch, Aside: o.Aside}
	switch {
	case !reaches(o.Uplink.State):
		f.State = mark{"", s.T("feed.unknown")} // what waits at the cloud cannot be known now
	case o.Feed.CaughtUp:
		f.State = mark{"ok", s.T("feed.caught_up")}
	default:
		f.State = mark{"info", s.T("feed.reading")}
	}
	return f
}

func newSession(s webui.Speaker, x *Session, now time.Time) sessionView {
	v := sessionView{
		ID: "session-" + webui.ID(uint64(x.Session.ID)), Name: x.Session.Name, Hall: x.Session.HallName,
		Start: webui.Day(ticket.Time(x.Session.StartMs)), State: mark(s.SessionState(&x.Session, now)),
		Sold: x.Sold, Entered: x.Entered, Inside: x.Inside,
	}
	if x.Sold > 0 {
		v.Percent = min(100, 100*x.Entered/x.Sold)
	}
	return v
}

// urgency sorts what needs a person first.
func urgency(st drivers.State) int {
	switch st {
	case drivers.StateLost:
		return 0
	case drivers.StateAttention:
		return 1
	case drivers.StateOK:
		return 3
	}
	return 2
}

func deviceMark(s webui.Speaker, st drivers.State) mark {
	switch st {
	case drivers.StateOK:
		return mark{"ok", s.T("device.ok")}
	case drivers.StateAttention:
		return mark{"warn", s.T("device.attention")}
	case drivers.StateLost:
		return mark{"bad", s.T("device.lost")}
	}
	return mark{"off", s.T("device.unknown")}
}

func newDevice(s webui.Speaker, d *Device, now time.Time) deviceView {
	v := deviceView{
		ID: "device-" + webui.ID(d.Name), Name: d.Name, Kind: s.Half(d.Kind), Port: d.Port, State: deviceMark(s, d.Health.State),
		Frames: d.Health.Frames, Errors: d.Health.Errors, Note: d.Health.Note, Age: s.Ago(now, d.Health.LastGood),
		Counts: true, Self: d.Health.Firmware, Supplies: supplies(s, d.Printer),
	}
	if spoken(v.Supplies) {
		v.Note = "" // it says the same
	}
	if d.Health.Serial != "" {
		v.Self = strings.TrimSpace(v.Self + " #" + d.Health.Serial)
	}
	switch {
	case d.Health.LastGood.IsZero():
		v.Age.Text, v.Age.Class = s.T("device.never"), ""
	case d.Health.State == drivers.StateLost:
		v.Age = s.Lost(now, d.Health.LastGood)
	}
	return v
}

// supplies says what a printer says of itself: what is well in one word, everything else each with its own.
func supplies(s webui.Speaker, p *drivers.PrinterStatus) []mark {
	if p == nil {
		return nil
	}
	var all []mark
	add := func(is bool, class, key string) {
		if is {
			all = append(all, mark{class, s.T(key)})
		}
	}
	add(!p.Online, "bad", "printer.offline")
	add(p.Paper == drivers.LevelOut, "bad", "printer.paper_out")
	add(p.Paper == drivers.LevelLow, "warn", "printer.paper_low")
	add(p.Ribbon == drivers.LevelOut, "bad", "printer.ribbon_out")
	add(p.Ribbon == drivers.LevelLow, "warn", "printer.ribbon_low")
	add(p.Cover, "bad", "printer.cover")
	add(p.Cutter, "bad", "printer.cutter")
	add(p.Error, "bad", "printer.fault")
	if len(all) == 0 && p.Paper == drivers.LevelOK {
		all = append(all, mark{"ok", s.T("printer.paper_ok")})
	}
	return all
}

// spoken reports whether supplies say what is wrong.
func spoken(supplies []mark) bool {
	return slices.ContainsFunc(supplies, func(m mark) bool { return m.Class != "ok" })
}

func newHandheld(s webui.Speaker, h *Handheld, now time.Time) deviceView {
	v := deviceView{
		ID: "handheld-" + webui.ID(h.Name), Name: h.Name, Kind: s.T("handheld"), State: deviceMark(s, h.State), Age: s.Ago(now, h.Heard),
	}
	if h.State == drivers.StateLost {
		v.Age = s.Lost(now, h.Heard)
	}
	v.Port = s.T("network." + h.Network)
	if h.Signal != 0 {
		v.Port += s.T("network.signal", h.Signal)
	}
	m := mark{"ok", s.T("battery", h.Battery)}
	switch {
	case h.Charging:
		m.Word = s.T("battery.charging", h.Battery)
	case h.State == drivers.StateAttention:
		m.Class = "warn"
	}
	v.Supplies = []mark{m}
	return v
}

// passageMark says how far an admission has come.
func passageMark(s webui.Speaker, p lane.PassageState) mark {
	class := map[lane.PassageState]string{
		lane.PassageWaiting: "info", lane.PassagePassed: "ok", lane.PassageLapsed: "",
		lane.PassageUncertain: "warn", lane.PassageSettling: "warn",
	}
	if p == lane.PassageNone {
		return mark{}
	}
	return mark{class[p], s.T("passage." + string(p))}
}
