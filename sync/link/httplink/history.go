package httplink

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// History implements link.Archive. It gives up after 30 s; a page sets a shorter deadline.
func (c *Client) History(ctx context.Context, req wire.HistoryRequest) (wire.HistoryReply, error) {
	q := url.Values{}
	q.Set("ticket", strconv.FormatUint(uint64(req.Ticket), 10))
	q.Set("before_ms", strconv.FormatInt(req.BeforeMs, 10))
	q.Set("limit", strconv.Itoa(req.Limit))
	var reply wire.HistoryReply
	err := c.call(ctx, answerTimeout, message{method: http.MethodGet, path: pathHistory, query: q}, &reply)
	if err == nil && reply.Version != wire.Version {
		err = &wire.Error{Code: wire.CodeVersion, Detail: fmt.Sprintf("history version %d, want %d", reply.Version, wire.Version)}
	}
	return reply, err
}

func (s *server) history(w http.ResponseWriter, r *http.Request) error {
	from, err := peer(r)
	if err != nil {
		return err
	}
	req, err := historyRequest(r.URL.Query())
	if err != nil {
		return err
	}
	if err := s.admit(r, from, 0); err != nil {
		return err
	}
	reply, err := s.handler.History(r.Context(), from, req)
	if err != nil {
		return err
	}
	return s.answer(w, r, reply)
}

func historyRequest(q url.Values) (req wire.HistoryRequest, err error) {
	id, err := strconv.ParseUint(q.Get("ticket"), 10, 63)
	if err != nil || id == 0 {
		return req, badRequest("ticket: want a number from 1")
	}
	req.Ticket = ticket.TicketID(id)
	if req.BeforeMs, err = strconv.ParseInt(q.Get("before_ms"), 10, 64); err != nil || req.BeforeMs < 0 {
		return req, badRequest("before_ms: want a number from 0")
	}
	if req.Limit, err = strconv.Atoi(q.Get("limit")); err != nil || req.Limit < 1 || req.Limit > wire.MaxHistoryRows {
		return req, badRequest("limit: want 1 to %d", wire.MaxHistoryRows)
	}
	return req, nil
}
