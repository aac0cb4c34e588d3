package lanapi

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// annulRequest is the body of POST /api/v1/annul: a device takes back an entry that it made less than
// 15 minutes ago (sync.md section 4). Nonce is this request's own, kept over retries; Entry is the
// nonce of the check that admitted; Lane is where that was.
type annulRequest struct {
	Nonce ticket.Nonce `json:"nonce"`
	Entry ticket.Nonce `json:"entry"`
	Lane  string       `json:"lane"`
}

func (r *annulRequest) validate() error {
	switch {
	case r.Nonce.IsZero():
		return &ticket.FieldError{Field: "nonce", Want: "32 个十六进制字符，不全为零 (32 hex digits, not zero)", Code: "bad_nonce"}
	case r.Entry.IsZero():
		return &ticket.FieldError{Field: "entry", Want: "要撤销的检票请求的 nonce (nonce of the check to take back)", Code: "bad_nonce"}
	case r.Entry == r.Nonce:
		return &ticket.FieldError{Field: "nonce", Want: "与 entry 不同的新编号 (a new one, not that of the entry)", Code: "bad_nonce"}
	case r.Lane == "":
		return &ticket.FieldError{Field: "lane", Want: "通道名 (name of a lane)", Code: "bad_lane"}
	}
	return nil
}

func (a *api) annul(c *fiber.Ctx) error {
	d, known := a.Registry.Device(bearer(c))
	if !known {
		return errNoDevice.send(c)
	}
	var r annulRequest
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	if err := r.validate(); err != nil {
		return bad(err).send(c)
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), deadline)
	defer cancel()
	ans, err := a.Checker.Annul(ctx, &ledger.AnnulRequest{
		Device: d.ID, Nonce: r.Nonce, Entry: r.Entry, Lane: r.Lane, Permitted: d.Permitted(fleet.MayCheck, r.Lane),
	})
	if err != nil {
		return errFault.send(c)
	}
	return c.JSON(a.answer(&ans))
}
