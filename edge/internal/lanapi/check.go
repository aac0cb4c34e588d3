package lanapi

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// checkRequest is the body of POST /api/v1/check. Nonce is 32 hex digits, made new by the device for
// every person's attempt and kept over retries.
type checkRequest struct {
	Nonce ticket.Nonce       `json:"nonce"`
	Code  string             `json:"code"`
	Kind  ticket.RequestKind `json:"kind"`
	Lane  string             `json:"lane"`
}

func (r *checkRequest) validate() error {
	switch {
	case r.Nonce.IsZero():
		return &ticket.FieldError{Field: "nonce", Want: "32 个十六进制字符，不全为零 (32 hex digits, not zero)", Code: "bad_nonce"}
	case r.Kind != ticket.RequestEntry && r.Kind != ticket.RequestExit:
		return &ticket.FieldError{Field: "kind", Want: "entry | exit", Code: "bad_kind"}
	case r.Lane == "":
		return &ticket.FieldError{Field: "lane", Want: "通道名 (name of a lane)", Code: "bad_lane"}
	}
	return nil
}

// A verdictBody is a verdict with its texts.
type verdictBody struct {
	Reason  ticket.Reason  `json:"reason"`
	Outcome ticket.Outcome `json:"outcome"`
	Flag    bool           `json:"flag,omitempty"`
	N       uint16         `json:"n,omitempty"`
	Of      uint16         `json:"of,omitempty"`
	Zh      string         `json:"zh"`
	En      string         `json:"en"`
	HintZh  string         `json:"hint_zh,omitempty"`
	HintEn  string         `json:"hint_en,omitempty"`
	Legal   string         `json:"legal,omitempty"`
}

func verdict(v ticket.Verdict) verdictBody {
	t := v.Text()
	return verdictBody{
		Reason: v.Reason, Outcome: t.Outcome, Flag: t.Flag, N: v.N, Of: v.Of,
		Zh: t.Zh, En: t.En, HintZh: t.HintZh, HintEn: t.HintEn, Legal: t.Legal,
	}
}

// checkAnswer is the body of the answer: durable when it is sent.
type checkAnswer struct {
	Verdict    verdictBody `json:"verdict"`
	Seat       string      `json:"seat,omitempty"`
	Holder     string      `json:"holder,omitempty"` // masked
	Session    string      `json:"session,omitempty"`
	Seq        uint64      `json:"seq,omitempty"` // journal position
	Repeated   bool        `json:"repeated,omitempty"`
	TimeMs     int64       `json:"time_ms"`
	CloudAgeMs int64       `json:"cloud_age_ms"` // age of the cloud's newest word, -1 for never
}

func (a *api) check(c *fiber.Ctx) error {
	d, known := a.Registry.Device(bearer(c))
	if !known {
		return errNoDevice.send(c)
	}
	var r checkRequest
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	if err := r.validate(); err != nil {
		return bad(err).send(c)
	}
	where, ok := a.Lane(r.Lane)
	if !ok {
		return bad(&ticket.FieldError{Field: "lane", Want: "本站的通道 (a lane of this station)", Code: "unknown_lane"}).send(c)
	}
	if len(r.Code) > MaxPayload {
		r.Code = r.Code[:MaxPayload]
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), deadline)
	defer cancel()
	ans, err := a.Checker.Do(ctx, &ledger.Request{
		Kind: r.Kind, Payload: r.Code, Nonce: r.Nonce, Device: d.ID, Lane: where, Face: true,
		Permitted: d.Permitted(fleet.MayCheck, r.Lane),
	}, a.Decide)
	if err != nil {
		if !errors.Is(err, ledger.ErrFault) {
			a.Log.Warn("check not answered", "lane", r.Lane, "device", d.ID, "error", err)
		}
		return errFault.send(c)
	}
	return c.JSON(a.answer(&ans))
}

func (a *api) answer(ans *ledger.Answer) *checkAnswer {
	out := &checkAnswer{
		Verdict: verdict(ans.Verdict), Seq: ans.Seq, Repeated: ans.Repeated, TimeMs: ans.TimeMs, CloudAgeMs: -1,
	}
	if age := a.CloudAge(); age >= 0 {
		out.CloudAgeMs = age.Milliseconds()
	}
	out.Seat, out.Holder = ans.Seat, ans.Holder
	if ans.Session != nil {
		out.Session = ans.Session.Name
	}
	return out
}
