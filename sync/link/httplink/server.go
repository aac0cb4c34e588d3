package httplink

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"yipiao/sync/link"
	"yipiao/sync/link/identity"
	"yipiao/sync/wire"
)

// maxBatchText is the largest decoded upload: the bodies and the frames around them.
const maxBatchText = wire.MaxBatchBytes + wire.MaxBatchEntries*64

type server struct {
	handler link.Handler
	log     *slog.Logger
	now     func() time.Time
	codec   *codec
}

// NewServer returns the routes of the protocol over handler. now is the clock that /v1/time tells.
// Station routes take the peer from the connection's certificate, so the listener must use
// identity.ServerTLS; Serve does.
func NewServer(handler link.Handler, log *slog.Logger, now func() time.Time) http.Handler {
	s := &server{handler: handler, log: log, now: now, codec: newCodec(maxBatchText)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathFeed, s.route(s.feed))
	mux.HandleFunc("POST "+pathJournal, s.route(s.journal))
	mux.HandleFunc("GET "+pathHistory, s.route(s.history))
	mux.HandleFunc("POST "+pathEnrol, s.route(s.enrol))
	mux.HandleFunc("GET "+pathTime, s.route(s.time))
	return mux
}

// route turns a handler's error into an answer.
func (s *server) route(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		var answer *wire.Error
		switch {
		case errors.As(err, &answer):
		case r.Context().Err() != nil: // the client has left, or the server is about to
			answer = &wire.Error{Code: wire.CodeUnavailable, Detail: "shutting down"}
		default:
			s.log.Error("sync request failed", "path", r.URL.Path, "err", err)
			answer = &wire.Error{Code: wire.CodeUnavailable, Detail: "internal error"}
		}
		body, err := json.Marshal(answer)
		if err != nil {
			body = []byte(`{"code":"unavailable","detail":"internal error"}`)
		}
		w.Header().Set("Content-Type", "application/json")
		if answer.Code == wire.CodeUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(status(answer.Code))
		_, _ = w.Write(body)
	}
}

// status maps the code of an answer to HTTP, for proxies and people; programs read the code.
func status(code wire.Code) int {
	switch code {
	case wire.CodeBadRequest, wire.CodeVersion:
		return http.StatusBadRequest
	case wire.CodeUnknownPeer, wire.CodeRevoked, wire.CodeEnrolCode:
		return http.StatusForbidden
	case wire.CodeNoTicket:
		return http.StatusNotFound
	case wire.CodeGap, wire.CodeEpoch, wire.CodeFork:
		return http.StatusConflict
	case wire.CodeChain:
		return http.StatusUnprocessableEntity
	case wire.CodeUnavailable:
	}
	return http.StatusServiceUnavailable
}

func badRequest(format string, args ...any) error {
	return &wire.Error{Code: wire.CodeBadRequest, Detail: fmt.Sprintf(format, args...)}
}

// peer is the station that owns the connection.
func peer(r *http.Request) (link.Peer, error) {
	id, err := identity.FromState(r.TLS)
	if err != nil || id.Role != identity.RoleStation {
		return link.Peer{}, &wire.Error{Code: wire.CodeUnknownPeer, Detail: "a station certificate is needed"}
	}
	return link.Peer{Tenant: id.Tenant, Station: id.Station}, nil
}

// admit asks whether the certificate of the connection is the station's present one. peer has
// succeeded, so there is one.
func (s *server) admit(r *http.Request, from link.Peer, journal uint32) error {
	return s.handler.Admit(r.Context(), from, r.TLS.PeerCertificates[0].SerialNumber.String(), journal)
}

func (s *server) feed(w http.ResponseWriter, r *http.Request) error {
	from, err := peer(r)
	if err != nil {
		return err
	}
	req, err := feedRequest(r)
	if err != nil {
		return err
	}
	if err := s.admit(r, from, 0); err != nil {
		return err
	}
	page, err := s.handler.Feed(r.Context(), from, req)
	if err != nil {
		return err
	}
	return s.answer(w, r, page)
}

func feedRequest(r *http.Request) (wire.FeedRequest, error) {
	q := r.URL.Query()
	req := wire.FeedRequest{Epoch: q.Get("epoch"), Limit: wire.MaxPageRows}
	if len(req.Epoch) > 64 {
		return req, badRequest("epoch: longer than 64 characters")
	}
	var err error
	if v := q.Get("cursor"); v != "" {
		if req.Cursor, err = strconv.ParseUint(v, 10, 63); err != nil {
			return req, badRequest("cursor: want a number from 0")
		}
	}
	if v := q.Get("limit"); v != "" {
		if req.Limit, err = strconv.Atoi(v); err != nil || req.Limit < 1 || req.Limit > wire.MaxPageRows {
			return req, badRequest("limit: want 1 to %d", wire.MaxPageRows)
		}
	}
	if v := q.Get("wait_ms"); v != "" {
		if req.WaitMs, err = strconv.Atoi(v); err != nil || req.WaitMs < 0 || req.WaitMs > wire.MaxWaitMs {
			return req, badRequest("wait_ms: want 0 to %d", wire.MaxWaitMs)
		}
	}
	return req, nil
}

func (s *server) journal(w http.ResponseWriter, r *http.Request) error {
	from, err := peer(r)
	if err != nil {
		return err
	}
	raw, err := s.codec.decode(r.Header.Get("Content-Encoding"), r.Body)
	if err != nil {
		return badRequest("journal batch: %v", err)
	}
	batch, err := wire.DecodeBatch(raw)
	if err != nil {
		var answer *wire.Error
		if errors.As(err, &answer) {
			return answer
		}
		return badRequest("%v", err)
	}
	if err := s.admit(r, from, batch.Epoch); err != nil {
		return err
	}
	ack, err := s.handler.Upload(r.Context(), from, &batch)
	if err != nil {
		return err
	}
	return s.answer(w, r, ack)
}

func (s *server) enrol(w http.ResponseWriter, r *http.Request) error {
	raw, err := readAll(r.Body, maxEnrolBytes)
	if err != nil {
		return badRequest("enrolment: %v", err)
	}
	var req wire.EnrolRequest
	if err := json.Unmarshal(raw, &req); err != nil {
		return badRequest("enrolment: %v", err)
	}
	reply, err := s.handler.Enrol(r.Context(), &req)
	if err != nil {
		return err
	}
	return s.answer(w, r, reply)
}

type timeAnswer struct {
	TimeMs int64 `json:"time_ms"`
}

func (s *server) time(w http.ResponseWriter, r *http.Request) error {
	return s.answer(w, r, timeAnswer{TimeMs: s.now().UnixMilli()})
}

// smallest body that is worth compressing.
const compressFrom = 512

func (s *server) answer(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if enc := choose(r.Header.Get("Accept-Encoding")); enc != "" && len(body) >= compressFrom {
		if body, err = s.codec.encode(enc, body); err != nil {
			return err
		}
		h.Set("Content-Encoding", enc)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // an error here means that the client has left; it will ask again
	return nil
}
