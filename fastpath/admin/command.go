package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Commander is a Subject that can be told things by name. Arguments and result are JSON. An error that has a method
// BadRequest() bool, true, is the caller's own mistake.
type Commander interface {
	Command(ctx context.Context, name string, arguments []byte) (any, error)
}

// maxCommandBytes bounds the arguments of a command.
const maxCommandBytes = 1 << 20

func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	c, ok := s.subject.(Commander)
	if !ok {
		http.Error(w, "this server takes no commands", http.StatusNotFound)
		return
	}
	arguments, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCommandBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, err := c.Command(r.Context(), r.PathValue("name"), arguments)
	if err != nil {
		status := http.StatusInternalServerError
		var mistake interface{ BadRequest() bool }
		if errors.As(err, &mistake) && mistake.BadRequest() {
			status = http.StatusBadRequest
		}
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // policies in it are shown to people
	_ = enc.Encode(result)
}

// commandTimeout bounds a command: the restart of a fleet takes seconds.
const commandTimeout = 2 * time.Minute

// Command tells the server something and decodes its answer into result. A *CommandError is the server's refusal.
func (c *Client) Command(ctx context.Context, name string, arguments, result any) error {
	body, err := json.Marshal(arguments)
	if err != nil {
		return fmt.Errorf("writing the arguments of %s: %w", name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/commands/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	patient := *c.http
	patient.Timeout = commandTimeout
	resp, err := patient.Do(req)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	switch {
	case err != nil:
		return fmt.Errorf("reading the server's answer: %w", err)
	case resp.StatusCode == http.StatusBadRequest:
		return &CommandError{string(bytes.TrimSpace(answer))}
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the server answered %s: %s", resp.Status, bytes.TrimSpace(answer))
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// CommandError is a command that the server refused, with its words.
type CommandError struct{ Text string }

func (e *CommandError) Error() string { return e.Text }
