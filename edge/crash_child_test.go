package edge

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yipiao/edge/internal/clock"
	"yipiao/edge/internal/enrol"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
)

// crashChild names the variable that makes this test program a station instead.
const crashChild = "YIPIAO_CRASH_CHILD"

// TestMain runs the tests, or a station for the crash suite in another process.
func TestMain(m *testing.M) {
	if how := os.Getenv(crashChild); how != "" {
		if err := runCrashChild(how); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// enrolledAgo makes the station one that was enrolled yesterday: its enrolment alone must not be what
// shows that a clock has been set back.
const enrolledAgo = 24 * 3600 * 1000

// crashLife says how one process of the station lives.
type crashLife struct {
	Config  Config
	Shift   time.Duration // of the machine's clock
	Lossy   bool          // the journal lies on lossyFiles
	Lies    bool          // which do not keep what Datasync has promised
	Cut     int           // sectors until the power fails; 0: not before it is armed
	Calm    bool          // no more checkpoints than the station's own
	Soak    bool          // snapshots and backups in seconds instead of hours
	Segment int64         // bytes of a journal segment; 0: crashSegment
	Seed    uint64
	// Look, if set, lets the station only open its data, answer and end: nothing runs.
	Look *crashLook
}

// crashLook is what is asked of a copy of the data that somebody has damaged.
type crashLook struct {
	Passes []ticket.TicketID
	Codes  []string // of the same tickets
}

// crashSight is what a look has seen.
type crashSight struct {
	Digests Digests
	Used    []uint16        // as the index has it
	Reasons []ticket.Reason // to a new request at door D1
}

// runCrashChild is a station until SIGTERM, SIGKILL or the end of its parent.
func runCrashChild(how string) error {
	var life crashLife
	if err := json.Unmarshal([]byte(how), &life); err != nil {
		return err
	}
	disk := &lossyFiles{
		FS: seglog.OS(), rnd: rand.New(rand.NewPCG(life.Seed, 1)), lies: life.Lies, left: life.Cut,
		cut: func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) },
	}
	go obeyParent(disk)
	cfg := life.Config
	cfg.segment, cfg.probe = cmp.Or(life.Segment, crashSegment), 50*time.Millisecond
	if life.Lossy {
		cfg.files = disk
	}
	id, err := enrol.Load(cfg.Data)
	if err != nil {
		return err
	}
	st, err := assemble(cfg, slog.New(slog.NewTextHandler(os.Stderr, nil)), newShiftedClock(id.Enrolled-enrolledAgo, life.Shift))
	if err != nil {
		return err
	}
	if life.Look != nil {
		return look(st, life.Look)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		select {
		case addr := <-st.web.bound:
			fmt.Println("bound", addr)
		case <-ctx.Done():
		}
	}()
	if life.Soak {
		go soakUpkeep(ctx, st)
	}
	if rnd := rand.New(rand.NewPCG(life.Seed, 2)); !life.Calm && !life.Soak && rnd.IntN(2) == 0 {
		go hurry(ctx, st, rnd)
	}
	return st.Run(ctx)
}

// hurry writes checkpoints and snapshots many times a second, in one life of two: lives are short here,
// and the station's own housekeeping would hardly come before their end.
func hurry(ctx context.Context, st *Station, rnd *rand.Rand) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(rnd.IntN(150)) * time.Millisecond):
			what, err := "checkpoint", error(nil)
			if rnd.IntN(4) > 0 {
				err = st.ledger.Checkpoint()
			} else {
				what, err = "snapshot", st.ledger.Snapshot()
			}
			if err != nil && ctx.Err() == nil {
				st.log.Error("upkeep failed", "task", what, "error", err)
			}
		}
	}
}

// obeyParent arms the disk with the numbers of sectors it is told. A parent that is gone needs no
// station.
func obeyParent(disk *lossyFiles) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			disk.mu.Lock()
			disk.left = n
			disk.mu.Unlock()
		}
	}
	os.Exit(1)
}

func look(st *Station, what *crashLook) error {
	seen := crashSight{Digests: st.digests()}
	for i, id := range what.Passes {
		_, h, _ := st.ledger.Ticket(id)
		v, err := st.Check(context.Background(), CheckRequest{
			Device: "look", Nonce: ticket.Nonce{1, byte(i >> 8), byte(i)}, Kind: ticket.RequestEntry, Lane: "D1", Code: what.Codes[i],
		})
		if err != nil {
			return err
		}
		seen.Used, seen.Reasons = append(seen.Used, h.Used), append(seen.Reasons, v.Reason)
	}
	out, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	fmt.Println("saw", string(out))
	return nil
}

// shiftedClock is the station's clock on a machine whose own clock is wrong by a constant.
type shiftedClock struct {
	*clock.Clock
	by time.Duration
}

func newShiftedClock(floorMs int64, by time.Duration) shiftedClock {
	return shiftedClock{clock.New(floorMs, func() time.Time { return time.Now().Add(by) }), by}
}

// Measured reads sent and got from the same wrong clock.
func (c shiftedClock) Measured(cloudMs int64, sent, got time.Time) time.Duration {
	return c.Clock.Measured(cloudMs, sent.Add(c.by), got.Add(c.by))
}

// crashProcess is a station's process as its parent sees it.
type crashProcess struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   logBuffer
	up    chan string   // its address, once
	ended chan struct{} // closed when it is gone
	err   error         // why, then
	said  string        // "failed …", if it did not start, or what a look saw
}

// logBuffer keeps what a process logs. It is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lines are those that contain one of the words.
func (b *logBuffer) lines(words ...string) string {
	var out []string
	for line := range strings.Lines(b.String()) {
		for _, w := range words {
			if strings.Contains(line, w) {
				out = append(out, line)
				break
			}
		}
	}
	return strings.Join(out, "")
}

func startCrashChild(life *crashLife) (*crashProcess, error) {
	how, err := json.Marshal(life)
	if err != nil {
		return nil, err
	}
	p := &crashProcess{cmd: exec.Command(os.Args[0]), up: make(chan string, 1), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), crashChild+"="+string(how))
	p.cmd.Stderr = &p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.follow(out)
	return p, nil
}

func (p *crashProcess) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		switch what, rest, _ := strings.Cut(lines.Text(), " "); what {
		case "bound":
			p.up <- rest
		case "failed", "saw":
			p.said = rest
		}
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

// arm lets the power fail after so many more sectors.
func (p *crashProcess) arm(sectors int) { _, _ = fmt.Fprintln(p.stdin, sectors) }

// kill is kill -9 and returns when the process is gone. One that is gone already is left alone.
func (p *crashProcess) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
	_ = p.stdin.Close()
}

// stop ends the process in order.
func (p *crashProcess) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.kill()
		return fmt.Errorf("the station did not stop in 30 s")
	}
	_ = p.stdin.Close()
	if p.err != nil {
		return fmt.Errorf("the station ended with %w: %s", p.err, p.said)
	}
	return nil
}
