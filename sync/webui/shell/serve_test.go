package shell_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

// TestServe_EndsWhenStoppedAtOnce: a stop that comes while the server is still starting must end it too.
func TestServe_EndsWhenStoppedAtOnce(t *testing.T) {
	for range 200 {
		var listeners []net.Listener
		for range 2 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			listeners = append(listeners, l)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		app := fiber.New(fiber.Config{DisableStartupMessage: true})
		go func() { done <- shell.Serve(ctx, app, webui.NewBus(), listeners) }()
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("does not end")
		}
	}
}
