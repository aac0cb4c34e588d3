package shell_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"yipiao/sync/webui"
)

// stream is an open connection to /live.
type stream struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func openStream(t *testing.T, addr, cookie string) *stream {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /live?lang=en HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", cookie); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream: %d %v", res.StatusCode, res.Header)
	}
	return &stream{t: t, conn: conn, in: bufio.NewReader(res.Body)}
}

// next returns the next message with parts.
func (s *stream) next() webui.Message {
	s.t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatalf("stream: %v", err)
		}
		var m webui.Message
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			s.t.Fatal(err)
		}
		if len(m.Parts) > 0 {
			return m
		}
	}
}

// viewers waits until the bus serves n pages, publishing meanwhile so that a lost one is noticed.
func (s *site) viewers(n int, within time.Duration) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(within)
	for i := 0; s.bus.Viewers() != n; i++ {
		select {
		case <-tick.C:
			s.set(strings.Repeat("x", s.big) + fmt.Sprint(i))
		case <-end:
			s.t.Fatalf("%d open pages after %v, want %d", s.bus.Viewers(), within, n)
		}
	}
}

func TestLive(t *testing.T) {
	s := newSite(t, 0)
	addr, stop := s.listen()
	cookie := s.login()
	one, two := openStream(t, addr, cookie), openStream(t, addr, cookie)
	for _, st := range []*stream{one, two} {
		if m := st.next(); m.Seq != 1 || m.Parts[0] != (webui.Part{ID: "value", HTML: "one"}) || m.Version != webui.Version() {
			t.Errorf("first message %+v", m)
		}
	}
	s.set("two & <b>")
	for _, st := range []*stream{one, two} {
		if m := st.next(); m.Seq != 2 || m.Parts[0].HTML != "two &amp; &lt;b&gt;" || m.Events[0] != "value" {
			t.Errorf("second message %+v", m)
		}
	}
	s.bus.Close()
	took, err := stop(5 * time.Second)
	if err != nil || took > 2*time.Second {
		t.Errorf("with the bus closed the server shut down after %v: %v", took, err)
	}
}

func TestLive_who(t *testing.T) {
	s := newSite(t, 0)
	expect(t, "nobody", s.get("/live"), 401)
	cookie := s.login()
	expect(t, "asking only", s.do(httptest.NewRequest(http.MethodHead, "/live", nil), cookie), 200)
	addr, stop := s.listen()
	st := openStream(t, addr, cookie)
	st.next()
	s.post("/logout", nil, nil, cookie)
	s.set("secret")
	if line, err := st.in.ReadString('\n'); err == nil && strings.Contains(line, "secret") {
		t.Error("the stream went on after log-out")
	}
	s.viewers(0, 5*time.Second)
	if _, err := stop(5 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestLive_clientVanishes(t *testing.T) {
	s := newSite(t, 0)
	addr, stop := s.listen()
	cookie := s.login()
	st := openStream(t, addr, cookie)
	st.next()
	_ = st.conn.Close()
	s.viewers(0, 10*time.Second)
	if _, err := stop(5 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestLive_clientIsSlow(t *testing.T) {
	s := newSite(t, 2*time.Second)
	addr, stop := s.listen()
	cookie := s.login()
	slow, good := openStream(t, addr, cookie), openStream(t, addr, cookie)
	slow.next() // and reads nothing more
	ended := make(chan bool, 1)
	go func() {
		for {
			line, err := good.in.ReadString('\n')
			if err != nil || strings.Contains(line, `"the end"`) {
				ended <- err == nil
				return
			}
		}
	}()
	s.big = 4 << 20 // more than sockets take
	s.viewers(1, 10*time.Second)
	s.set("the end")
	if !<-ended {
		t.Error("the slow client has cost the good one its stream")
	}
	s.bus.Close()
	if _, err := stop(5 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestLive_panicEndsOnlyTheStream(t *testing.T) {
	s := newSite(t, 0)
	addr, stop := s.listen()
	cookie := s.login()
	st := openStream(t, addr, cookie)
	st.next()
	s.mu.Lock()
	s.panic = true
	s.mu.Unlock()
	s.bus.Publish("value")
	if rest, err := st.in.ReadString('\n'); err == nil && strings.HasPrefix(rest, "data") {
		t.Errorf("got %q", rest)
	}
	s.mu.Lock()
	s.panic = false
	s.mu.Unlock()
	again := openStream(t, addr, cookie)
	again.next()
	s.bus.Close()
	if _, err := stop(5 * time.Second); err != nil {
		t.Error(err)
	}
}
