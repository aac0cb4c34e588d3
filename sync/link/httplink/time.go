package httplink

import (
	"context"
	"net/http"
	"time"

	"yipiao/sync/link/identity"
)

// Time asks the cloud for its clock over a connection on which everything is verified but the dates
// of certificates, so that a machine with a wrong clock can set it (architecture.md section 5, rule
// 8). cfg.Own and cfg.Now are not used.
func Time(ctx context.Context, cfg ClientConfig) (time.Time, error) {
	client, err := newClient(cfg.Address, cfg.Dial, identity.UndatedTLS(cfg.Root, cfg.Tenant))
	if err != nil {
		return time.Time{}, err
	}
	defer client.Close()
	var answer timeAnswer
	if err := client.call(ctx, answerTimeout, message{method: http.MethodGet, path: pathTime}, &answer); err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(answer.TimeMs), nil
}
