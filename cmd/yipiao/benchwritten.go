package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"yipiao/edge"
)

// procField reads a "name: number" line of a file below /proc/PID.
func procField(pid int, file, name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if rest, ok := bytes.CutPrefix(lines.Bytes(), []byte(name+":")); ok {
			return strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
		}
	}
	return 0, fmt.Errorf("/proc/%d/%s has no %s", pid, file, name)
}

// handedOver is how many bytes a process has handed to write system calls so far. The kernel's own count of
// what goes to the disk (write_bytes) is no use: it counts a whole large folio for a record in it.
func handedOver(pid int) (float64, error) { return procField(pid, "io", "wchar") }

// diskWritten is what all disks of the machine have written so far, bytes.
func diskWritten() float64 {
	text, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return 0
	}
	sum := 0.0
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 10 || strings.HasPrefix(f[2], "loop") || strings.HasPrefix(f[2], "dm-") {
			continue
		}
		if _, err := os.Stat("/sys/block/" + f[2]); err != nil { // a partition of one that is counted
			continue
		}
		if n, err := strconv.ParseFloat(f[9], 64); err == nil {
			sum += 512 * n
		}
	}
	return sum
}

// written measures the bytes written for an admission at 8 callers in process, with the cloud gone so that
// nothing is written to sockets: those of the journal, and everything.
func (b *benchRun) written(ctx context.Context, s *benchSite, st *edge.Station, section string) error {
	span := 15 * time.Second
	if b.long {
		span = 10 * time.Minute
	}
	b.say("bytes written, %s", span)
	s.stopCloud()
	before, disk := st.Status().Journal, diskWritten()
	from, err := handedOver(os.Getpid())
	if err != nil {
		return err
	}
	r, err := drive(ctx, 8, span, 0, s.codes, direct(st))
	if err != nil {
		return err
	}
	to, err := handedOver(os.Getpid())
	if err != nil {
		return err
	}
	after, disk := st.Status().Journal, diskWritten()-disk
	facts := float64(after.End - before.End)
	// A record has a head of 48 bytes, and a sync rewrites the rest of the block it begins in.
	heads, blocks := 48*facts, 4096*float64(after.Syncs-before.Syncs)
	f := most(section, "written per admission, journal", "B", (float64(after.Bytes-before.Bytes)+heads+blocks)/facts, 1000)
	f.Callers, f.Note = 8, fmt.Sprintf("%.0f B a fact, %.1f facts a sync", float64(after.Bytes-before.Bytes)/facts+48, facts/float64(after.Syncs-before.Syncs))
	b.add(f)
	f = most(section, "written per admission, whole process", "B", (to-from+blocks)/facts, 3000)
	f.Callers, f.Note = 8, fmt.Sprintf("%s at %.0f/s; the machine's disks: %.0f B", span, r.rate, disk/facts)
	b.add(f)
	return nil
}
