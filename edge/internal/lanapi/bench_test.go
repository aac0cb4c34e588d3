package lanapi_test

import (
	"net/http"
	"testing"

	"github.com/valyala/fasthttp"

	"yipiao/sync/ticket"
)

// BenchmarkCheck is what the interface itself costs a check: reading, words, writing; no ledger, no
// network.
func BenchmarkCheck(b *testing.B) {
	s := newStation(b)
	s.answer.Ticket, s.answer.Seat, s.answer.Holder = 7, "1层12排08座", "*三"
	s.answer.Verdict = ticket.Verdict{Reason: ticket.Admitted, N: 1, Of: 2}
	handler := s.app.Handler()
	var ctx fasthttp.RequestCtx
	b.ReportAllocs()
	for b.Loop() {
		ctx.Request.Reset()
		ctx.Response.Reset()
		ctx.Request.Header.SetMethod(http.MethodPost)
		ctx.Request.SetRequestURI("/api/v1/check")
		ctx.Request.Header.Set("Authorization", "Bearer checks")
		ctx.Request.SetBodyString(whole)
		handler(&ctx)
		if ctx.Response.StatusCode() != http.StatusOK {
			b.Fatalf("%d %s", ctx.Response.StatusCode(), ctx.Response.Body())
		}
		s.asked = s.asked[:0]
	}
}
