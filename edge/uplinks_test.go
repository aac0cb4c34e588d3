package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/edge/internal/uplink"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

// inNamespace says that the test runs in network namespaces of its own.
const inNamespace = "YIPIAO_TEST_NETNS"

// TestUplinks_TwoRealInterfaces runs a station with two network interfaces to a cloud in another network namespace:
// the first is cut, then both, then one flaps (CINE-7.1.2, sync.md section 6). It needs iproute2 and the right to
// make namespaces: root, or an ordinary account where the kernel lets it.
func TestUplinks_TwoRealInterfaces(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		twoInterfaces(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUplinks_TwoRealInterfaces$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	id := func(of int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: of, Size: 1}}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, UidMappings: id(os.Getuid()), GidMappings: id(os.Getgid()),
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestUplinks_TwoRealInterfaces") {
		t.Fatalf("%v (user and network namespaces and the package iproute2 are needed)\n%s", err, out)
	}
}

func sh(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// A farEnd is a thread that lives in a network namespace of its own, where the cloud is.
type farEnd struct {
	jobs chan func()
	tid  int
}

func newFarEnd(t *testing.T) *farEnd {
	t.Helper()
	f := &farEnd{jobs: make(chan func())}
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		f.tid = unix.Gettid()
		ready <- unix.Unshare(unix.CLONE_NEWNET)
		for job := range f.jobs {
			job()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(f.jobs) })
	return f
}

// do runs a job over there; sh and net.Listen act in its network.
func (f *farEnd) do(job func()) {
	done := make(chan struct{})
	f.jobs <- func() { defer close(done); job() }
	<-done
}

// wires joins the two namespaces by two pairs of interfaces and returns the cloud's listener.
func wires(t *testing.T, far *farEnd) net.Listener {
	t.Helper()
	sh(t, "link set lo up")
	far.do(func() {
		sh(t, "link set lo up")
		sh(t, "addr add 10.99.0.1/32 dev lo")
	})
	for i := 1; i <= 2; i++ {
		near, over := fmt.Sprintf("up%d", i), fmt.Sprintf("cloud%d", i)
		sh(t, "link add "+near+" type veth peer name "+over)
		sh(t, fmt.Sprintf("link set %s netns %d", over, far.tid))
		sh(t, fmt.Sprintf("addr add 10.%d.0.1/24 dev %s", i, near))
		sh(t, "link set "+near+" up")
		far.do(func() {
			sh(t, fmt.Sprintf("addr add 10.%d.0.2/24 dev %s", i, over))
			sh(t, "link set "+over+" up")
		})
		sh(t, fmt.Sprintf("route add 10.99.0.1/32 via 10.%d.0.2 dev %s metric %d", i, near, 10*i))
	}
	var l net.Listener
	var err error
	far.do(func() { l, err = net.Listen("tcp", "10.99.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// silent makes the cloud's answers over a wire vanish without a word, as a carrier does; and back.
func (f *farEnd) silent(t *testing.T, wire int, cut bool) {
	t.Helper()
	verb := "del"
	if cut {
		verb = "add"
	}
	f.do(func() { sh(t, fmt.Sprintf("route %s blackhole 10.%d.0.1/32", verb, wire)) })
}

// unplugged pulls the plug of a wire at the far end; and back.
func (f *farEnd) unplugged(t *testing.T, wire int, cut bool) {
	t.Helper()
	state := "up"
	if cut {
		state = "down"
	}
	f.do(func() { sh(t, fmt.Sprintf("link set cloud%d %s", wire, state)) })
}

func twoInterfaces(t *testing.T) {
	far := newFarEnd(t)
	cloud := newTestCloudOn(t, wires(t, far))
	s := &runningStation{t: t, cloud: cloud}
	cfg := Config{
		Data: cloud.enrol(), Listen: Listen{LAN: "127.0.0.1:0"}, segment: 64 << 10, probe: 200 * time.Millisecond, answer: 500 * time.Millisecond,
		Uplinks: []UplinkConfig{{Name: "有线", Interface: "up1"}, {Name: "4G", Interface: "up2"}},
	}
	s.start(cfg)
	s.reaches(uplink.Online, "有线")
	said := 0
	say := func() { // something that the cloud must get, whatever the wires do
		said++
		if _, err := s.ledger.Note(t.Context(), ticket.FactOperatorAction, ticket.Note{Subject: "test", State: fmt.Sprint(said)}); err != nil {
			t.Fatal(err)
		}
	}
	say()
	s.uploaded(said)

	far.silent(t, 1, true) // requests under way hang, and move
	say()
	s.reaches(uplink.Backup, "4G")
	say()
	s.uploaded(said)
	s.fed(7001)

	far.unplugged(t, 2, true)
	s.reaches(uplink.Extreme, "")
	for range 20 {
		say()
	}

	far.unplugged(t, 2, false)
	s.reaches(uplink.Backup, "4G")
	s.uploaded(said)
	s.fed(7002)

	for range 4 { // the first works for a moment and is gone again: not worth going back to
		far.silent(t, 1, false)
		s.answers(0, 2)
		far.silent(t, 1, true)
		s.until("the first line is down again", func() bool { return !s.monitor.Status().Links[0].Up })
	}
	if st := s.monitor.Status(); st.State != uplink.Backup {
		t.Errorf("after flapping: %+v", st)
	}
	far.silent(t, 1, false)
	s.reaches(uplink.Online, "有线")
	say()
	s.uploaded(said)
	s.fed(7003)
	want := "unknown>online 有线, online>backup 4G, backup>extreme , extreme>backup 4G, backup>online 有线"
	if got := s.uplinkFacts(); got != want {
		t.Errorf("journalled and uploaded:\n%s, want\n%s", got, want)
	}
}

// start runs the station until the test ends.
func (s *runningStation) start(cfg Config) {
	s.t.Helper()
	var err error
	if s.Station, err = New(cfg, slog.New(slog.DiscardHandler)); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("station ended: %v", err)
		}
	})
}

func (s *runningStation) reaches(state uplink.State, over string) {
	s.t.Helper()
	s.until(fmt.Sprintf("the uplink is %s over %q", state, over), func() bool {
		st := s.Status().Uplink
		return st.State == string(state) && st.Link == over
	})
}

// answers waits for so many more good probes of a link.
func (s *runningStation) answers(link, n int) {
	s.t.Helper()
	for range n {
		last := s.monitor.Status().Links[link].LastHeard
		s.until("a probe is answered", func() bool { return s.monitor.Status().Links[link].LastHeard.After(last) })
	}
}

// uploaded waits until the cloud holds the test's first n facts, each once.
func (s *runningStation) uploaded(n int) {
	s.t.Helper()
	var got []string
	s.until(fmt.Sprintf("%d facts are at the cloud, each once", n), func() bool {
		got = nil
		for _, note := range s.notes(ticket.FactOperatorAction) {
			if note.Subject == "test" {
				got = append(got, note.State)
			}
		}
		return len(got) >= n
	})
	for i, state := range got {
		if state != fmt.Sprint(i+1) {
			s.t.Fatalf("at the cloud: %v", got)
		}
	}
}

func (s *runningStation) notes(kind ticket.FactKind) (all []ticket.Note) {
	for _, e := range s.cloud.store.Facts(self) {
		var n ticket.Note
		if ticket.FactKind(e.Kind) == kind && n.Decode(e.Body) == nil {
			all = append(all, n)
		}
	}
	return all
}

func (s *runningStation) uplinkFacts() string {
	var all []string
	s.until("all facts are uploaded", func() bool { st := s.ledger.Stats(); return st.Acked == st.End })
	for _, n := range s.notes(ticket.FactUplinkChanged) {
		all = append(all, fmt.Sprintf("%s>%s %s", n.Was, n.State, n.Text))
	}
	return strings.Join(all, ", ")
}

// fed brings a session into the feed and waits until the station has it.
func (s *runningStation) fed(id ticket.SessionID) {
	s.t.Helper()
	rows, err := decisions.Table()
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := decisions.NewWorld(&rows[0], time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	v := w.Session
	v.ID = id
	s.cloud.store.PutSession(self, v)
	s.until("the session has come", func() bool {
		for _, se := range s.Status().Sessions {
			if se.ID == id {
				return true
			}
		}
		return false
	})
}
