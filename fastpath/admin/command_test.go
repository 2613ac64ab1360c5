package admin_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"trent/fastpath/admin"
)

// commander is a subject that echoes its commands.
type commander struct{ subject }

type mistake struct{ error }

func (mistake) BadRequest() bool { return true }

func (*commander) Command(_ context.Context, name string, arguments []byte) (any, error) {
	switch name {
	case "wrong":
		return nil, mistake{errors.New("that is no rule")}
	case "broken":
		return nil, errors.New("the store is gone")
	}
	return map[string]string{"name": name, "arguments": string(arguments)}, nil
}

func TestCommands(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "admin") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	srv := admin.New(&commander{})
	if err := srv.ServeSocket(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	c := admin.NewClient(dir)
	var got map[string]string
	if err := c.Command(t.Context(), "echo", map[string]int{"n": 1}, &got); err != nil || got["name"] != "echo" || got["arguments"] != `{"n":1}` {
		t.Errorf("%v, %v", got, err)
	}
	var refused *admin.CommandError
	if err := c.Command(t.Context(), "wrong", nil, &got); !errors.As(err, &refused) || refused.Text != "that is no rule" {
		t.Errorf("%v", err)
	}
	if err := c.Command(t.Context(), "broken", nil, &got); err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "the store is gone") {
		t.Errorf("%v", err)
	}
}

func TestNoCommands(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	srv := admin.New(&subject{})
	if err := srv.ServeSocket(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	var got any
	if err := admin.NewClient(dir).Command(t.Context(), "echo", nil, &got); err == nil || !strings.Contains(err.Error(), "takes no commands") {
		t.Errorf("%v", err)
	}
}
