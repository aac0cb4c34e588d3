package shell

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
)

// stopTimeout is how long requests under way may take to end.
const stopTimeout = 5 * time.Second

// Serve serves app on the listeners, which it owns, until ctx ends or one of them fails, and returns
// after all have ended. Open live streams are closed first: they would hold up the shutdown.
func Serve(ctx context.Context, app *fiber.App, bus *webui.Bus, listeners []net.Listener) error {
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- app.Listener(l) }()
	}
	left, err := len(listeners), error(nil)
	if left > 0 {
		select {
		case err = <-ended:
			left--
		case <-ctx.Done():
		}
	} else {
		<-ctx.Done()
	}
	bus.Close()
	err = errors.Join(err, app.ShutdownWithTimeout(stopTimeout))
	for _, l := range listeners {
		// A shutdown that comes before the server has taken its listener does not know it: without
		// this, the server would begin to serve afterwards and never end.
		if e := l.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	for range left {
		err = errors.Join(err, <-ended)
	}
	return err
}
