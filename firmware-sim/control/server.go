package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"yipiao/firmware-sim/bench"
)

const (
	maxBody  = 1 << 20
	maxWait  = time.Minute // of a long poll
	stopsIn  = 2 * time.Second
	showCode = 4 // characters of a code that a log may hold
)

// A Server answers for one bench.
type Server struct {
	bench *bench.Bench
	log   *slog.Logger
}

// NewServer makes a server.
func NewServer(b *bench.Bench, log *slog.Logger) *Server { return &Server{bench: b, log: log} }

// Run serves on a unix socket until ctx is done, and then removes it. A socket that nobody answers on
// any more is replaced.
func (s *Server) Run(ctx context.Context, socket string) error {
	l, err := listen(ctx, socket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopsIn)
		defer cancel()
		if srv.Shutdown(bound) != nil {
			_ = srv.Close()
		}
	})
	err = srv.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("control: %w", err)
}

func listen(ctx context.Context, socket string) (net.Listener, error) {
	var d net.Dialer
	if c, err := d.DialContext(ctx, "unix", socket); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("control: socket %s is in use by another simulator", socket)
	}
	if info, err := os.Lstat(socket); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(socket) // left by one that was killed
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return l, nil
}

// Handler is the server without its socket.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	on := func(pattern string, h func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			reply, err := h(r)
			s.write(w, r, reply, err)
		})
	}
	on("GET /devices", s.devices)
	on("GET /events", s.events)
	on("GET /devices/{name}/acts", s.acts)
	on("POST /devices/{name}/{act}", s.act)
	on("GET /wan", s.wan)
	on("POST /wan/cut", s.cut)
	on("POST /wan/mend", s.mend)
	on("POST /wan/delay", s.delay)
	return mux
}

// decode reads a request's body strictly; an empty one leaves v as it is.
func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return nil
}

var errBadRequest = errors.New("control: bad request")

// status maps what can go wrong to HTTP, in one place.
func status(err error) int {
	switch {
	case errors.Is(err, bench.ErrUnknown), errors.Is(err, bench.ErrNoWAN):
		return http.StatusNotFound
	case errors.Is(err, bench.ErrKind), errors.Is(err, bench.ErrRequest), errors.Is(err, errBadRequest):
		return http.StatusBadRequest
	case errors.Is(err, bench.ErrNow):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, reply any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(status(err))
		reply = errorReply{Error: err.Error()}
	} else if reply == nil {
		reply = struct{}{}
	}
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		s.log.Debug("answer not delivered", "path", r.URL.Path, "error", err)
	}
}

func (s *Server) devices(*http.Request) (any, error) {
	return devicesReply{Devices: s.bench.Devices()}, nil
}

// events waits for news: ?device=NAME&since=SEQ&wait_ms=MS.
func (s *Server) events(r *http.Request) (any, error) {
	q := r.URL.Query()
	since, err := number(q.Get("since"))
	if err != nil {
		return nil, err
	}
	wait, err := number(q.Get("wait_ms"))
	if err != nil {
		return nil, err
	}
	device := q.Get("device")
	if device != "" && device != wanName {
		if _, err := s.bench.Acts(device); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(time.Duration(min(wait, 1<<20))*time.Millisecond, maxWait))
	defer cancel()
	found := s.bench.Tape().Since(ctx, device, since)
	if found == nil {
		return eventsReply{Events: []tapeEvent{}, Last: since}, nil
	}
	return eventsReply{Events: found, Last: found[len(found)-1].Seq}, nil
}

func number(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return n, nil
}

func (s *Server) acts(r *http.Request) (any, error) {
	acts, err := s.bench.Acts(r.PathValue("name"))
	return actsReply{Acts: acts}, err
}

// act does something to a device. The log names the act, and of a code no more than its last characters.
func (s *Server) act(r *http.Request) (any, error) {
	name, act := r.PathValue("name"), r.PathValue("act")
	args, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	var code struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(args, &code) // only to be logged; the act reads its arguments itself
	if code.Text != "" {
		s.log.Info("act", "device", name, "act", act, "code", masked(code.Text))
	} else {
		s.log.Info("act", "device", name, "act", act)
	}
	return nil, s.bench.Act(r.Context(), name, act, args)
}

// masked is what a log may show of a code.
func masked(code string) string {
	if len(code) <= showCode {
		return "…"
	}
	return "…" + code[len(code)-showCode:]
}
