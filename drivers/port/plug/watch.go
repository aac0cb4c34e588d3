package plug

import (
	"context"
	"reflect"
	"time"
)

// A Change says what has become of a thing.
type Change string

// Changes.
const (
	Plugged   Change = "plugged"
	Changed   Change = "changed" // udev has named it or let us have it, a program has taken it, or it was replugged between two looks
	Unplugged Change = "unplugged"
)

// An Event is one change. Item is as it is now, for Unplugged as it was.
type Event struct {
	Change Change `json:"change"`
	Item   Item   `json:"item"`
}

// Watch looks every so often until ctx ends, which is no error. It tells what is plugged in when it begins, and then
// every change, in the order of List, those that left first. Half a second keeps the notice below a second.
func (t Tree) Watch(ctx context.Context, every time.Duration, tell func([]Event)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before []Item
	for {
		now, err := t.List()
		if err != nil {
			return err
		}
		if events := diff(before, now); len(events) > 0 {
			tell(events)
		}
		before = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// key is what makes a thing the same one: its line and where it is.
func (i *Item) key() string {
	if i.USB != nil {
		return string(i.Line) + " " + i.USB.Path + " " + i.Node
	}
	return string(i.Line) + " " + i.Node
}

func diff(before, now []Item) []Event {
	was := make(map[string]*Item)
	for i := range before {
		was[before[i].key()] = &before[i]
	}
	var gone, come []Event
	for i := range now {
		old := was[now[i].key()]
		delete(was, now[i].key())
		switch {
		case old == nil:
			come = append(come, Event{Plugged, now[i]})
		case !reflect.DeepEqual(*old, now[i]):
			come = append(come, Event{Changed, now[i]})
		}
	}
	for i := range before {
		if was[before[i].key()] != nil {
			gone = append(gone, Event{Unplugged, before[i]})
		}
	}
	return append(gone, come...)
}
