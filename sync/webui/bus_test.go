package webui_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/sync/webui"
)

// tape keeps what a stream writes, and when.
type tape struct {
	mu       sync.Mutex
	messages []webui.Message
	at       []time.Time
	raw      string
	broken   bool
}

func (r *tape) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken {
		return 0, errors.New("client is gone")
	}
	r.raw += string(b)
	for line := range strings.Lines(string(b)) {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var m webui.Message
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			return 0, err
		}
		r.messages, r.at = append(r.messages, m), append(r.at, time.Now())
	}
	return len(b), nil
}

func (r *tape) seen() []webui.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]webui.Message(nil), r.messages...)
}

// page is a page of two parts.
type page struct {
	mu    sync.Mutex
	parts []webui.Part
	ended bool
	asked int
}

func newPage() *page { return &page{parts: []webui.Part{{ID: "a", HTML: "1"}, {ID: "b", HTML: "1"}}} }

func (p *page) set(i int, html string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts[i].HTML = html
}

func (p *page) viewing() webui.Viewing {
	return webui.Viewing{
		Parts: func() ([]webui.Part, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.asked++
			return append([]webui.Part(nil), p.parts...), nil
		},
		Allowed: func() bool { p.mu.Lock(); defer p.mu.Unlock(); return !p.ended },
		Now:     time.Now,
		Extend:  func() {},
	}
}

// serve runs a stream of the page in the bubble; wait returns its end.
func serve(b *webui.Bus, p *page) (r *tape, wait func() error) {
	r = &tape{}
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(bufio.NewWriter(r), p.viewing()) }()
	synctest.Wait()
	return r, func() error { return <-ended }
}

func TestBus(t *testing.T) {
	t.Run("the first message holds everything, the next what has changed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := webui.NewBus(), newPage()
			r, wait := serve(b, p)
			<-time.After(time.Second)
			p.set(1, "2")
			b.Publish("queue")
			b.Publish("queue")
			synctest.Wait()
			got := r.seen()
			if len(got) != 2 || len(got[0].Parts) != 2 || len(got[1].Parts) != 1 || got[1].Parts[0] != (webui.Part{ID: "b", HTML: "2"}) {
				t.Fatalf("messages %+v", got)
			}
			if got[1].Seq != 2 || len(got[1].Events) != 1 || got[1].Events[0] != "queue" || got[1].TimeMs != time.Now().UnixMilli() {
				t.Errorf("second message %+v", got[1])
			}
			b.Close()
			if err := wait(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("at most four messages a second, and the last state arrives", func(t *testing.T) { synctest.Test(t, coalesces) })
	t.Run("a quiet stream says every five seconds that it lives", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := webui.NewBus(), newPage()
			r, wait := serve(b, p)
			<-time.After(21 * time.Second)
			if got := r.seen(); len(got) != 5 || got[4].Parts != nil {
				t.Errorf("%d messages in 21 quiet seconds, want 5", len(got))
			}
			if !strings.HasPrefix(r.raw, ": 1\nid: 1\nevent: patch\ndata: {") || !strings.Contains(r.raw, "\nevent: clock\n") || !strings.HasSuffix(r.raw, "}\n\n") {
				t.Errorf("stream %q", r.raw)
			}
			b.Close()
			_ = wait()
		})
	})
	t.Run("an event without a change sends nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := webui.NewBus(), newPage()
			r, wait := serve(b, p)
			<-time.After(time.Second)
			b.Publish("verdict")
			<-time.After(time.Second)
			if got := r.seen(); len(got) != 1 {
				t.Errorf("%d messages", len(got))
			}
			b.Close()
			_ = wait()
		})
	})
}

func coalesces(t *testing.T) {
	b, p := webui.NewBus(), newPage()
	r, wait := serve(b, p)
	for i := range 1000 { // for ten seconds
		p.set(0, strings.Repeat("x", i+2))
		b.Publish("verdict")
		<-time.After(10 * time.Millisecond)
	}
	<-time.After(time.Second)
	got := r.seen()
	if last := got[len(got)-1].Parts[0].HTML; len(last) != 1001 {
		t.Errorf("the last state has not arrived: %d", len(last))
	}
	for i := 4; i < len(r.at); i++ {
		if r.at[i].Sub(r.at[i-4]) < time.Second {
			t.Fatalf("five messages within %v", r.at[i].Sub(r.at[i-4]))
		}
	}
	if len(got) < 35 {
		t.Errorf("only %d messages in ten busy seconds", len(got))
	}
	b.Close()
	_ = wait()
}

func TestBus_ends(t *testing.T) {
	t.Run("with Close, also for those who come later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := webui.NewBus(), newPage()
			_, one := serve(b, p)
			_, two := serve(b, p)
			if b.Viewers() != 2 {
				t.Errorf("%d viewers", b.Viewers())
			}
			b.Close()
			b.Close()
			if one() != nil || two() != nil || b.Viewers() != 0 {
				t.Error("streams have not ended well")
			}
			if _, late := serve(b, p); !errors.Is(late(), webui.ErrClosed) {
				t.Error("a stream began after Close")
			}
			b.Publish("verdict")
		})
	})
	t.Run("when the person may no longer look", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := webui.NewBus(), newPage()
			_, wait := serve(b, p)
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
			began := time.Now()
			if err := wait(); err != nil || time.Since(began) > 6*time.Second {
				t.Errorf("ended after %v: %v", time.Since(began), err)
			}
		})
	})
	t.Run("when the page does not take it, without holding up another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := webui.NewBus(), newPage()
			gone, wait := serve(b, p)
			other, otherWait := serve(b, p)
			gone.mu.Lock()
			gone.broken = true
			gone.mu.Unlock()
			<-time.After(time.Second)
			p.set(0, "2")
			b.Publish("verdict")
			if err := wait(); err == nil {
				t.Error("no error from a client that is gone")
			}
			synctest.Wait()
			if len(other.seen()) != 2 || b.Viewers() != 1 {
				t.Errorf("the other has %d messages; %d viewers", len(other.seen()), b.Viewers())
			}
			b.Close()
			_ = otherWait()
		})
	})
	t.Run("there is a limit of open pages", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := webui.NewBus(), newPage()
			var waits []func() error
			for !b.Full() {
				_, wait := serve(b, p)
				waits = append(waits, wait)
			}
			if _, more := serve(b, p); !errors.Is(more(), webui.ErrFull) {
				t.Error("one page too many was served")
			}
			b.Close()
			for _, wait := range waits {
				_ = wait()
			}
		})
	})
}
