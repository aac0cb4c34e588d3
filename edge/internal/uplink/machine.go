package uplink

// Hysteresis: so many outcomes in a row change what is believed of a link, so that a single lost packet does
// not, and one that flaps is not returned to.
const (
	failsToDown  = 2
	goodToUp     = 2
	goodToReturn = 5 // before an earlier link takes over from a later one that works
)

// A path is what is known of one link.
type path struct {
	known bool // it has been probed
	up    bool
	fails int // in a row
	good  int // in a row
}

// outcome takes the result of one probe.
func (p *path) outcome(ok bool) {
	if ok {
		p.good, p.fails = p.good+1, 0
	} else {
		p.good, p.fails = 0, p.fails+1
	}
	switch {
	case !p.known:
		p.known, p.up = true, ok
	case p.good >= goodToUp:
		p.up = true
	case p.fails >= failsToDown:
		p.up = false
	}
}

// machine is the pure part: outcomes in, the link to use and the state out.
type machine struct {
	paths  []path
	active int // the link to use; -1 for none
	state  State
}

func newMachine(links int) machine {
	return machine{paths: make([]path, links), active: -1, state: Unknown}
}

// outcome takes the result of one probe of a link and reports whether the state changed.
func (m *machine) outcome(link int, ok bool) bool {
	before := m.state
	m.paths[link].outcome(ok)
	m.choose()
	switch {
	case m.active == 0:
		m.state = Online
	case m.active > 0:
		m.state = Backup
	case m.state != Unknown || m.allKnown():
		m.state = Extreme
	}
	return m.state != before
}

// choose keeps the link that works, until one before it has been good for long enough.
func (m *machine) choose() {
	if m.active >= 0 && !m.paths[m.active].up {
		m.active = -1
	}
	for i := range m.paths {
		p := &m.paths[i]
		switch {
		case i == m.active, !p.known: // at the start the first is waited for: it is the one to use
			return
		case p.up && (m.active < 0 || p.good >= goodToReturn):
			m.active = i
			return
		}
	}
}

func (m *machine) allKnown() bool {
	for i := range m.paths {
		if !m.paths[i].known {
			return false
		}
	}
	return true
}
