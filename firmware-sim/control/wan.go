package control

import (
	"fmt"
	"net/http"
	"time"

	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/wan"
)

type tapeEvent = tape.Event

// wanName is what the stretch of network is called on the tape.
const wanName = "wan"

func (s *Server) wan(*http.Request) (any, error) {
	return s.network(func(*wan.Relay) error { return nil })
}

// network does something to the stretch of network and reports how it is then.
func (s *Server) network(do func(*wan.Relay) error) (any, error) {
	w, err := s.bench.WAN()
	if err != nil {
		return nil, err
	}
	if err := do(w); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return w.State(), nil
}

func (s *Server) cut(*http.Request) (any, error) {
	return s.network(func(w *wan.Relay) error {
		w.Cut()
		s.bench.Tape().Add(wanName, "cut", "外网已断开 / wan cut", nil)
		return nil
	})
}

func (s *Server) mend(*http.Request) (any, error) {
	return s.network(func(w *wan.Relay) error {
		w.Mend()
		s.bench.Tape().Add(wanName, "mended", "外网已恢复 / wan mended", nil)
		return nil
	})
}

func (s *Server) delay(r *http.Request) (any, error) {
	var req delayRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	return s.network(func(w *wan.Relay) error { return w.SetDelay(time.Duration(req.Ms) * time.Millisecond) })
}
