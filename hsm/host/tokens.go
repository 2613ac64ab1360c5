package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"trent/hsm"
)

// TokenStore keeps the newest domain token of a domain.
type TokenStore interface {
	// Newest is the newest token, nil before the first. Errors: those of reading; what is kept is damaged.
	Newest(ctx context.Context) ([]byte, error)
	// Publish makes token the newest one if the state of the newest now has the hash parent (zeros: there is none). When
	// it returns nil, the token is durable. Errors: ErrConflict, those of writing.
	Publish(ctx context.Context, parent [32]byte, token []byte) error
	// Adopt makes token the newest one if there is none, or one of an older state of the same domain: what operators
	// changed without this host. One of an older state than the newest changes nothing. Errors: ErrConflict for one of
	// another domain, or another of the same number; those of writing.
	Adopt(ctx context.Context, token []byte) error
}

// ErrConflict is a token that does not follow the newest one.
var ErrConflict = errors.New("host: the domain token does not follow the newest one")

// copies is how many files FileTokens keeps.
const copies = 3

// FileTokens keeps domain tokens in a directory: three files of the same content, each replaced as a whole. A directory
// belongs to one process at a time.
type FileTokens struct {
	dir string
	mu  sync.Mutex
}

// OpenFileTokens opens, or makes, the directory.
func OpenFileTokens(dir string) (*FileTokens, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keeping domain tokens: %w", err)
	}
	return &FileTokens{dir: dir}, nil
}

func (f *FileTokens) path(i int) string {
	if i == 0 {
		return filepath.Join(f.dir, "domain.token")
	}
	return filepath.Join(f.dir, "domain.token."+strconv.Itoa(i+1))
}

// Newest implements TokenStore. Copies that are damaged, old or missing are written again.
func (f *FileTokens) Newest(context.Context) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token, _, err := f.newest()
	return token, err
}

// newest reads all copies and takes the one of the highest state.
func (f *FileTokens) newest() (token []byte, state *hsm.DomainState, err error) {
	var all [copies][]byte
	var errs []error
	for i := range all {
		b, err := os.ReadFile(f.path(i))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the domain token: %w", err)
		}
		all[i] = b
		s, _, err := hsm.ParseDomainToken(b)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.path(i), err))
			continue
		}
		if state == nil || s.Number > state.Number {
			token, state = b, s
		}
	}
	if state == nil {
		return nil, nil, errors.Join(errs...)
	}
	for i := range all {
		if string(all[i]) != string(token) {
			if err := f.write(i, token); err != nil {
				return nil, nil, err
			}
		}
	}
	return token, state, nil
}

// Publish implements TokenStore.
func (f *FileTokens) Publish(_ context.Context, parent [32]byte, token []byte) error {
	next, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return fmt.Errorf("keeping a domain token: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, now, err := f.newest()
	if err != nil {
		return err
	}
	var hash [32]byte
	if now != nil {
		hash = now.Hash()
	}
	if hash != parent || next.Parent != parent {
		return ErrConflict
	}
	for i := range copies {
		if err := f.write(i, token); err != nil {
			return err
		}
	}
	return nil
}

// Adopt implements TokenStore.
func (f *FileTokens) Adopt(_ context.Context, token []byte) error {
	next, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return fmt.Errorf("keeping a domain token: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, now, err := f.newest()
	if err != nil {
		return err
	}
	switch {
	case now == nil:
	case now.Domain != next.Domain || now.Number == next.Number && now.Hash() != next.Hash():
		return ErrConflict
	case now.Number >= next.Number:
		return nil
	}
	for i := range copies {
		if err := f.write(i, token); err != nil {
			return err
		}
	}
	return nil
}

// write replaces one copy, durably.
func (f *FileTokens) write(i int, token []byte) error {
	if err := replace(f.path(i), token); err != nil {
		return fmt.Errorf("keeping the domain token: %w", err)
	}
	return nil
}
