package engine

import "context"

// Exchanged is the answer to one call with what a load test of it needs to know.
type Exchanged struct {
	Status  int
	Body    []byte
	Error   string // the exception's name, else HTTP and the status; "" for 200
	Message string // the exception's, cut to 512 bytes
	Bytes   int    // of the whole answer, head included
}

// Exchange is Call with more about the answer.
func (c *Client) Exchange(ctx context.Context, operation string, body []byte) (Exchanged, error) {
	if !c.budget.take(1) {
		return Exchanged{}, ErrRequestCap
	}
	var size int
	status, response, err := c.call(ctx, operation, body, func(k *caller) { size = k.conn.inbox.start })
	if err != nil {
		return Exchanged{}, err
	}
	out := Exchanged{Status: status, Body: response, Bytes: size}
	if _, name := verdictOf(&answer{status: status, body: response}); len(name) > 0 {
		out.Error, out.Message = string(name), messageOf(response)
	}
	return out, nil
}
