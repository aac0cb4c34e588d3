// Package wake lets a driver that is blocked in a port's Read or Write notice that its context has
// ended, without closing a port that is not the driver's to close.
//
// It knows contexts and deadlines. It must not know protocols.
package wake

import (
	"context"
	"time"

	"yipiao/drivers/port"
)

// OnDone makes blocked and future reads and writes of p time out once ctx is done. The caller checks
// ctx.Err() after every deadline it sets itself, since that may undo this one. The returned function
// ends the watch and must be called before Run returns: after it p is not touched any more.
func OnDone(ctx context.Context, p port.Port) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		past := time.Unix(1, 0)
		_ = p.SetReadDeadline(past) // a port that fails here also fails the blocked call
		_ = p.SetWriteDeadline(past)
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}
