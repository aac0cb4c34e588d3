package bus

import (
	"fmt"
	"time"
)

// When a line counts as overbooked. A gate with a permit wants 10 to 20 polls a second: who waits longer than a
// tenth of a second for the line misses a poll that was due.
const (
	lateAfter = 100 * time.Millisecond
	window    = 10 * time.Second
	fewest    = 5 // turns without which a window says nothing
)

// load measures how many polls had to wait.
type load struct {
	began time.Time // of the window; zero before the first turn
	asked int       // turns granted in it that are not urgent
	late  int       // those of them that waited for long
	over  bool
}

// waited counts a turn that is being granted.
func (l *load) waited(now time.Time, w *waiter) {
	if w.urgent {
		return
	}
	l.asked++
	if now.Sub(w.since) > lateAfter {
		l.late++
	}
}

// review ends a window that is over. note is what there is to say, "" that all is well; changed says whether that is
// new. More than half of the polls late is overbooked; it is over when fewer than a quarter are.
func (l *load) review(now time.Time, waiting []*waiter) (note string, changed bool) {
	if l.began.IsZero() {
		l.began = now
	}
	if now.Sub(l.began) < window {
		return "", false
	}
	for _, w := range waiting {
		if now.Sub(w.since) > lateAfter {
			l.waited(now, w)
		}
	}
	was, asked, late := l.over, l.asked, l.late
	switch {
	case asked < fewest:
	case 2*late > asked:
		l.over = true
	case 4*late < asked:
		l.over = false
	}
	l.began, l.asked, l.late = now, 0, 0
	if l.over {
		note = fmt.Sprintf("the line is overbooked: %d of %d polls were late; use a faster speed or a second line", late, asked)
	}
	return note, l.over != was
}
