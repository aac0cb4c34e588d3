package console

import (
	"time"

	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

// kpis are the figures on top. A sum that lacks a station's report carries a plus sign.
func kpis(s webui.Speaker, o *Overview, now time.Time) []kpi {
	gone := lost(o.Stations, now)
	return []kpi{
		stationsKPI(s, o, gone), enteredKPI(s, o, gone), factsKPI(s, o),
		{
			ID: "kpi-feed", Label: s.T("kpi.feed"), Value: webui.Num(int64(o.Feed.Head)),
			Detail: s.T("kpi.feed.reserved", o.Feed.Reserved),
		},
		deadKPI(s, o),
	}
}

func stationsKPI(s webui.Speaker, o *Overview, gone map[ticket.StationID]*Station) kpi {
	all := 0
	for i := range o.Stations {
		if !o.Stations[i].Revoked {
			all++
		}
	}
	k := kpi{
		ID: "kpi-stations", Label: s.T("kpi.stations"), Value: webui.Num(int64(all - len(gone))),
		Of: webui.Num(int64(all)), Detail: s.T("kpi.stations.all"),
	}
	switch {
	case all == 0:
		k.Detail = s.T("kpi.stations.none")
	case len(gone) > 0:
		k.Detail = s.T("kpi.stations.lost", len(gone))
	}
	return k
}

func enteredKPI(s webui.Speaker, o *Overview, gone map[ticket.StationID]*Station) kpi {
	var entered, sold int64
	missing := false
	for _, x := range o.Sessions {
		entered, sold = entered+x.Entered, sold+x.Sold
		for _, id := range x.Stations {
			missing = missing || gone[id] != nil
		}
	}
	k := kpi{
		ID: "kpi-entered", Label: s.T("kpi.entered"), Value: webui.Num(entered), Of: webui.Num(sold),
		Detail: s.T("kpi.sessions", len(o.Sessions)),
	}
	if missing {
		k.Value += "+"
		k.Detail = s.T("kpi.entered.missing")
	}
	return k
}

func factsKPI(s webui.Speaker, o *Overview) kpi {
	var held, behind uint64
	for _, st := range o.Stations {
		held += st.Durable
		if st.Durable > st.Folded {
			behind += st.Durable - st.Folded
		}
	}
	k := kpi{ID: "kpi-facts", Label: s.T("kpi.facts"), Value: webui.Num(int64(held)), Detail: s.T("kpi.facts.applied")}
	if behind > 0 {
		k.Detail = s.T("kpi.facts.behind", behind)
	}
	return k
}

func deadKPI(s webui.Speaker, o *Overview) kpi {
	n := max(o.DeadAll, len(o.Dead))
	k := kpi{ID: "kpi-dead", Label: s.T("kpi.dead"), Value: webui.Num(int64(n)), Detail: s.T("kpi.dead.none")}
	if n > 0 {
		k.Dot, k.Detail = "warn", s.T("kpi.dead.some")
	}
	return k
}
