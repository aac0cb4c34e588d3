package relaygate

import "time"

// An input is one contact, debounced: it changes once it has been the other way for long enough.
type input struct {
	channel int  // from 1; 0 is not connected
	closed  bool // a normally closed contact is active while it is open

	known  bool
	active bool
	other  time.Time // since when it has been seen the other way; zero = it has not
}

// see takes one sample and reports whether the input has become active.
func (in *input) see(bits []bool, now time.Time, debounce time.Duration) (rose bool) {
	if in.channel == 0 || in.channel > len(bits) {
		return false
	}
	active := bits[in.channel-1] != in.closed
	switch {
	case !in.known: // a contact that is active already has risen when nobody looked
		in.known, in.active = true, active
	case active == in.active:
		in.other = time.Time{}
	case in.other.IsZero():
		in.other = now
	case now.Sub(in.other) >= debounce:
		in.active, in.other = active, time.Time{}
		return active
	}
	return false
}

// restless reports whether the next samples decide something.
func (in *input) restless() bool { return !in.other.IsZero() }
