package pebblestore

import (
	"fmt"
	"sync"
)

// logger is Pebble's logger. Pebble assumes that Fatalf does not return: a goroutine that calls it may hold its
// mutexes and half a version edit. Stopping it where it stands, and the store with it, keeps the process alive and
// the directory as a crash would leave it.
type logger struct {
	printf func(string, ...any)
	fatal  chan error // before serve: the first fatal error, for openPebble

	mu    sync.Mutex
	store *Store // nil until serve
}

func newLogger(printf func(string, ...any)) *logger {
	return &logger{printf: printf, fatal: make(chan error, 1)}
}

// serve sends further fatal errors to the open store.
func (l *logger) serve(s *Store) {
	l.mu.Lock()
	l.store = s
	l.mu.Unlock()
}

// Infof drops what Pebble says of its ordinary work.
func (l *logger) Infof(string, ...any) {}

func (l *logger) Errorf(format string, args ...any) { l.printf("pebble: "+format, args...) }

func (l *logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble stopped: %s", fmt.Sprintf(format, args...))
	l.mu.Lock()
	s := l.store
	if s == nil {
		select {
		case l.fatal <- err:
		default:
		}
	}
	l.mu.Unlock()
	if s != nil {
		s.stuck.Store(true)
		s.fail(err)
	}
	select {}
}

func (s *Store) logf(format string, args ...any) { s.opts.Logger(format, args...) }
