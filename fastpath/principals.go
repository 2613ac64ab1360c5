package fastpath

import (
	"context"
	"errors"
	"strings"

	"trent/fastpath/identity"
)

// principalQuery names whom or what a command is about, as identity.Entry does.
type principalQuery struct {
	Name string `json:"name"`
}

// PrincipalKey is the answer of the command principal-key, the only one with a secret.
type PrincipalKey struct {
	User            string `json:"user"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

// principal does the commands about who there is.
func (s *Server) principal(ctx context.Context, name string, body []byte) (any, error) {
	switch name {
	case "principal-list":
		return s.directory.List(), nil
	case "principal-export":
		return s.directory.Export(), nil
	case "principal-apply":
		var c identity.Config
		if err := decodeStrictly(body, &c); err != nil {
			return nil, err
		}
		return struct{}{}, mistaken("", s.directory.Apply(ctx, c))
	}
	var q principalQuery
	if err := decodeStrictly(body, &q); err != nil {
		return nil, err
	}
	if id, ok := strings.CutPrefix(q.Name, "access-key "); ok && name == "principal-delete" {
		return struct{}{}, mistaken(q.Name, s.directory.DeleteAccessKey(ctx, id))
	}
	entry, err := s.directory.Show(q.Name)
	if err != nil || name == "principal-show" {
		return entry, mistaken(q.Name, err)
	}
	r := entry.Ref
	if name == "principal-delete" {
		err := s.directory.Delete(ctx, r[0], r[1], r[2], r[3])
		var needed *identity.ConfigError
		if errors.As(err, &needed) {
			return nil, badCommand("%s is still needed: %w", q.Name, err)
		}
		return struct{}{}, mistaken(q.Name, err)
	}
	if entry.Kind != "user" {
		return nil, badCommand("%s is no user", q.Name)
	}
	made, err := s.directory.CreateAccessKey(ctx, r[1], r[2], r[3])
	return PrincipalKey{User: q.Name, AccessKeyID: made.ID, SecretAccessKey: string(made.Secret)}, mistaken(q.Name, err)
}

// mistaken tells the mistakes of who gave the command from what went wrong here.
func mistaken(name string, err error) error {
	var wrong *identity.ConfigError
	switch {
	case errors.Is(err, identity.ErrUnknown):
		return badCommand("there is no %s", name)
	case errors.Is(err, identity.ErrFixed):
		return badCommand("%s %w", name, err)
	case errors.As(err, &wrong):
		return &errCommand{err}
	}
	return err
}
