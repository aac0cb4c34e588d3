package wake_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/internal/wake"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
)

func TestOnDoneUnblocksRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, _ := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		release := wake.OnDone(ctx, host)
		defer release()
		if _, err := host.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v, want os.ErrDeadlineExceeded", err)
		}
		if ctx.Err() == nil {
			t.Error("Read ended before the context")
		}
	})
}

func TestReleasedPortIsNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		wake.OnDone(ctx, host)()
		cancel()
		synctest.Wait()
		if _, err := device.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if n, err := host.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("Read: %d, %v; want the byte", n, err)
		}
	})
}
