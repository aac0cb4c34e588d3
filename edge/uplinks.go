package edge

import (
	"context"
	"errors"
	"fmt"

	"yipiao/edge/internal/maint"
	"yipiao/edge/internal/uplink"
	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// An UplinkConfig is one way to the cloud, in the order in which they are to be used (sync.md section 6).
type UplinkConfig struct {
	Name      string `json:"name"`                // as people know it, such as 有线 or 4G
	Interface string `json:"interface,omitempty"` // network interface that it leaves by, such as wwan0
	Source    string `json:"source,omitempty"`    // or the station's own address on it; neither: the routing table decides
}

func (u UplinkConfig) binding() uplink.Binding {
	return uplink.Binding{Interface: u.Interface, Source: u.Source}
}

// checkUplinks fills in the default, one uplink by the routing table, and reports what is wrong.
func (c *Config) checkUplinks(bad func(field, want string)) {
	if len(c.Uplinks) == 0 {
		c.Uplinks = []UplinkConfig{{Name: "默认线路"}}
	}
	names, free := make(map[string]bool), 0
	for i, u := range c.Uplinks {
		at := fmt.Sprintf("uplinks[%d]", i)
		if u.Name == "" || len(u.Name) > 30 || names[u.Name] {
			bad(at+".name", "1–30 字节、不重复的名称 (1 to 30 bytes, unique)")
		}
		names[u.Name] = true
		if err := u.binding().Validate(); err != nil {
			bad(at, "interface 与 source 至多一个，写法正确 ("+err.Error()+")")
		}
		if u.binding() == (uplink.Binding{}) {
			free++
		}
	}
	if len(c.Uplinks) > 1 && free > 1 {
		bad("uplinks", "至多一条线路不写 interface 或 source (two without a binding are the same line)")
	}
}

// uplinks is the cloud over whichever uplink works. The same call may go over several: it is the same each time.
type uplinks struct {
	monitor *uplink.Monitor
	clients []*httplink.Client
}

var (
	_ link.Cloud   = (*uplinks)(nil)
	_ link.Archive = (*uplinks)(nil)
)

// Feed implements link.Cloud.
func (u *uplinks) Feed(ctx context.Context, req wire.FeedRequest) (page wire.Page, err error) {
	err = u.monitor.Do(ctx, func(ctx context.Context, i int) error {
		page, err = u.clients[i].Feed(ctx, req)
		return err
	})
	return page, err
}

// Upload implements link.Cloud. A batch that the cloud has taken over a link that then died is known to it by its
// sequence numbers.
func (u *uplinks) Upload(ctx context.Context, b *wire.Batch) (ack wire.Ack, err error) {
	err = u.monitor.Do(ctx, func(ctx context.Context, i int) error {
		ack, err = u.clients[i].Upload(ctx, b)
		return err
	})
	return ack, err
}

// History implements link.Archive.
func (u *uplinks) History(ctx context.Context, req wire.HistoryRequest) (reply wire.HistoryReply, err error) {
	err = u.monitor.Do(ctx, func(ctx context.Context, i int) error {
		reply, err = u.clients[i].History(ctx, req)
		return err
	})
	return reply, err
}

// Close drops idle connections.
func (u *uplinks) Close() {
	for _, c := range u.clients {
		c.Close()
	}
}

// answered reports whether an error is the cloud's answer, so that the line is in order.
func answered(err error) bool {
	var answer *wire.Error
	return errors.As(err, &answer)
}

func (s *Station) assembleSync() error {
	s.cloud = &uplinks{}
	cfg := uplink.Config{
		Measured: s.measured, Changed: s.uplinkChanged, Answer: answered, Was: s.lastUplink(),
		Every: s.cfg.probe, Deadline: s.cfg.answer, Log: s.log,
	}
	for _, u := range s.cfg.Uplinks {
		c, err := httplink.NewClient(httplink.ClientConfig{
			Address: s.id.Cloud, Root: s.id.Root, Own: identity.Keypair(s.id.Key, s.id.Chain...), Tenant: s.id.Tenant,
			Dial: u.binding().Dial(),
		})
		if err != nil {
			return fmt.Errorf("uplink %s: %w", u.Name, err)
		}
		s.cloud.clients = append(s.cloud.clients, c)
		cfg.Links = append(cfg.Links, uplink.Link{Name: u.Name, Probe: c.Now})
	}
	var err error
	if s.monitor, err = uplink.New(cfg); err != nil {
		return err
	}
	s.cloud.monitor = s.monitor
	s.sync, err = replica.New(replica.Config{
		Store: s.ledger, Cloud: s.cloud, Epoch: s.id.Epoch, Rows: rowsPerPage, Idle: s.idle, WaitMs: feedWaitMs, Heard: s.heard,
	})
	return err
}

// uplinkKey is where the last state is kept, so that a restart in the middle of an outage neither ends nor begins it.
const uplinkKey = "uplink/state"

func (s *Station) lastUplink() uplink.State {
	was := uplink.Unknown
	err := s.ledger.EachLocal(uplinkKey, func(_ string, decode func(any) error) error { return decode(&was) })
	if err != nil {
		s.log.Warn("last state of the uplink cannot be read", "error", err)
		return uplink.Unknown
	}
	return was
}

// uplinkChanged journals a change; its upload follows by itself when there is a way again (CINE-7.1.2).
func (s *Station) uplinkChanged(_ context.Context, from, to uplink.State, name string) {
	s.note(ticket.FactUplinkChanged, ticket.Note{Subject: "uplink", Was: string(from), State: string(to), Text: name})
	if err := s.ledger.PutLocal(uplinkKey, to); err != nil {
		s.log.Error("state of the uplink not kept", "error", err)
	}
	s.web.changed(maint.EventUplink)
}
