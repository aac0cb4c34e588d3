package httplink

import (
	"context"
	"net/http"
)

// Now asks the cloud for its clock over the client's kept connections: the probe of an uplink, and
// what the clock's offset is measured with. It returns Unix milliseconds.
func (c *Client) Now(ctx context.Context) (int64, error) {
	var answer timeAnswer
	err := c.call(ctx, answerTimeout, message{method: http.MethodGet, path: pathTime}, &answer)
	return answer.TimeMs, err
}
