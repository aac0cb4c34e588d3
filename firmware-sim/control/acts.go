package control

import (
	"fmt"
	"net/http"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

type tapeEvent = tape.Event

func (s *Server) plug(act func(*board.Board)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		b, err := s.bench.Board(r.PathValue("name"))
		if err != nil {
			return nil, err
		}
		act(b)
		return nil, nil
	}
}

func (s *Server) faults(r *http.Request) (any, error) {
	var f board.Faults
	if err := decode(r, &f); err != nil {
		return nil, err
	}
	b, err := s.bench.Board(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	b.SetFaults(f)
	return nil, nil
}

func (s *Server) visitor(r *http.Request) (any, error) {
	var req visitorRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	t, err := s.bench.Turnstile(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if err := t.SetVisitor(turnstile.Visitor(req.Mode), time.Duration(req.WalkMs)*time.Millisecond); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return nil, nil
}

func (s *Server) walk(act func(*turnstile.Turnstile, turnstile.Direction) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var req directionRequest
		if err := decode(r, &req); err != nil {
			return nil, err
		}
		t, err := s.bench.Turnstile(r.PathValue("name"))
		if err != nil {
			return nil, err
		}
		switch req.Direction {
		case "", "entry":
			return nil, act(t, turnstile.Entry)
		case "exit":
			return nil, act(t, turnstile.Exit)
		}
		return nil, fmt.Errorf("%w: direction %q, want entry or exit", errBadRequest, req.Direction)
	}
}

func (s *Server) turn(act func(*turnstile.Turnstile, bool)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var req switchRequest
		if err := decode(r, &req); err != nil {
			return nil, err
		}
		t, err := s.bench.Turnstile(r.PathValue("name"))
		if err != nil {
			return nil, err
		}
		act(t, req.On)
		return nil, nil
	}
}

func (s *Server) fault(r *http.Request) (any, error) {
	var req faultRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	t, err := s.bench.Turnstile(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	t.SetFault(req.Bits)
	return nil, nil
}

func (s *Server) wan(*http.Request) (any, error) {
	w, err := s.bench.WAN()
	if err != nil {
		return nil, err
	}
	return w.State(), nil
}

func (s *Server) cut(*http.Request) (any, error) {
	w, err := s.bench.WAN()
	if err != nil {
		return nil, err
	}
	w.Cut()
	s.bench.Tape().Add("wan", "cut", "外网已断开 / wan cut", nil)
	return w.State(), nil
}

func (s *Server) mend(*http.Request) (any, error) {
	w, err := s.bench.WAN()
	if err != nil {
		return nil, err
	}
	w.Mend()
	s.bench.Tape().Add("wan", "mended", "外网已恢复 / wan mended", nil)
	return w.State(), nil
}

func (s *Server) delay(r *http.Request) (any, error) {
	var req delayRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	w, err := s.bench.WAN()
	if err != nil {
		return nil, err
	}
	if err := w.SetDelay(time.Duration(req.Ms) * time.Millisecond); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return w.State(), nil
}
