package fastpath

import (
	"context"
	"errors"
	"slices"
	"strings"

	"trent/fastpath/keyring"
)

// transitionCommand is what `trent transition` sends.
type transitionCommand struct {
	// What is a state to hold or release (Creating, Updating, Unavailable, CONNECTING, DISCONNECTING), or a key or
	// custom key store.
	What   string `json:"what"`
	State  string `json:"state"`  // hold of a key: put it into this state
	Region string `json:"region"` // of a bare id or alias; empty: us-east-1
	// Account of a bare id or alias; empty: the only one there is, else an error.
	Account string `json:"account"`
}

// heldStates are what may be held: of keys, then of custom key stores.
var heldStates = []string{"Creating", "Updating", "Unavailable", "CONNECTING", "DISCONNECTING"}

// transition does a command about transitional states.
func (s *Server) transition(ctx context.Context, name string, body []byte) (any, error) {
	var q transitionCommand
	if err := decodeStrictly(body, &q); err != nil {
		return nil, err
	}
	holds := s.keys.Holds()
	if name == "transition-list" {
		return map[string][]string{"held": holds.List()}, nil
	}
	hold := name == "transition-hold"
	for _, state := range heldStates {
		if strings.EqualFold(q.What, state) {
			q.What = state
		}
	}
	switch {
	case q.What == "":
		return nil, badCommand("name a state (%s), a key or a custom key store", strings.Join(heldStates, ", "))
	case slices.Contains(heldStates, q.What):
		if hold && q.State != "" {
			return nil, badCommand("--state goes with a key")
		}
		if hold {
			holds.HoldState(q.What)
		} else if !holds.ReleaseState(q.What) {
			return nil, badCommand("no state %s is held", q.What)
		}
	default:
		id, err := s.transitioning(ctx, &q)
		if err != nil {
			return nil, err
		}
		if hold {
			err = s.holdKey(ctx, id, q.State)
		} else if !holds.ReleaseID(id) {
			err = badCommand("%s is not held", id.ARN())
		}
		if err != nil {
			return nil, err
		}
	}
	if !hold {
		s.worker.Wake()
	}
	return map[string][]string{"held": holds.List()}, nil
}

// transitioning finds the key or the custom key store that a command names.
func (s *Server) transitioning(ctx context.Context, q *transitionCommand) (keyring.ID, error) {
	scope, err := s.commandScope(q)
	if err != nil {
		return keyring.ID{}, err
	}
	if strings.HasPrefix(q.What, "cks-") {
		if _, err := s.keys.KeyStore(ctx, scope, q.What); err != nil {
			return keyring.ID{}, badCommand("there is no custom key store %s%s", q.What, place(q, scope))
		}
		return scope.Key(q.What), nil
	}
	found, err := s.keys.Resolve(ctx, scope, []byte(q.What))
	if err != nil || found.Snapshot.Missing {
		return keyring.ID{}, badCommand("%s is none of the states %s, and no key%s", q.What, strings.Join(heldStates, ", "), place(q, scope))
	}
	return found.Snapshot.ID, nil
}

// place says where a bare name was looked for; an ARN says it itself.
func place(q *transitionCommand, scope keyring.Scope) string {
	if strings.HasPrefix(q.What, "arn:") {
		return ""
	}
	return " of account " + scope.Account + " in " + scope.Region
}

// commandScope is where names of a command belong: an ARN says it, else Region and account.
func (s *Server) commandScope(q *transitionCommand) (keyring.Scope, error) {
	if parts := strings.Split(q.What, ":"); parts[0] == "arn" && len(parts) == 6 {
		return keyring.Scope{Partition: parts[1], Region: parts[3], Account: parts[4]}, nil
	}
	if q.Region == "" {
		q.Region = "us-east-1"
	}
	region := s.regions.Lookup([]byte(q.Region))
	if region == nil {
		return keyring.Scope{}, badCommand("Region %q is not served", q.Region)
	}
	if q.Account == "" {
		for _, c := range s.directory.All() {
			if c.Principal.Partition != region.Partition || c.Principal.Account == q.Account {
				continue
			}
			if q.Account != "" {
				return keyring.Scope{}, badCommand("there are several accounts; give the ARN, or the account")
			}
			q.Account = c.Principal.Account
		}
	}
	return keyring.Scope{Partition: region.Partition, Account: q.Account, Region: region.Name}, nil
}

// holdKey holds a key or custom key store, and puts a key into a transitional state first where one is given. That state
// ends with the hold, or with a restart.
func (s *Server) holdKey(ctx context.Context, id keyring.ID, name string) error {
	holds := s.keys.Holds()
	if name == "" {
		holds.HoldID(id)
		return nil
	}
	states := map[string]keyring.State{"Creating": keyring.Creating, "Updating": keyring.Updating, "Unavailable": keyring.Unavailable}
	state, ok := states[name]
	for known := range states {
		if strings.EqualFold(name, known) {
			state, ok = states[known], true
		}
	}
	if !ok || strings.HasPrefix(id.Key, "cks-") {
		return badCommand("a key can be put into Creating, Updating or Unavailable, not %q", name)
	}
	holds.HoldID(id) // first: what was entered and is not held ends at once
	_, err := s.keys.Update(ctx, id, func(r *keyring.Record) error {
		next := r.State
		if r.State.Transitional() {
			next = r.Resume
		}
		if next != keyring.Enabled && next != keyring.Disabled && next != keyring.PendingImport {
			return badCommand("%s is %s, which no transitional state can follow", id.ARN(), r.State)
		}
		r.Enter(state, s.clock(), next)
		return nil
	})
	if err != nil {
		holds.ReleaseID(id)
	}
	if errors.Is(err, keyring.ErrKeyMissing) {
		return badCommand("key %s: %w", id.ARN(), err)
	}
	return err
}

// Holds are the transitional states that are held.
func (s *Server) Holds() *keyring.Holds { return s.keys.Holds() }

// Release ends the hold of a state and lets what it held go on.
func (s *Server) Release(state string) {
	s.keys.Holds().ReleaseState(state)
	s.worker.Wake()
}

// Wake makes the lifecycle worker look for what is due now, as after the clock was moved.
func (s *Server) Wake() { s.worker.Wake() }
