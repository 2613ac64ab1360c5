package pebblestore

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"trent/store"
)

// Errors of Open, found again by errors.Is. The texts say what to do; nothing on disk has been changed.
var (
	ErrInUse        = errors.New("the store directory is in use by another process: stop that process, or choose another directory")
	ErrDamaged      = errors.New("the store directory is damaged: restore it from a backup, or choose an empty directory")
	ErrNewerVersion = errors.New("the store directory was written by a newer version: use that version, or choose an empty directory")
)

// Defaults of Options.
const (
	DefaultCacheBytes       = 32 << 20
	DefaultHistoryRevisions = 1 << 16
	DefaultHistoryBytes     = 64 << 20
)

// Sizes that bound Pebble's memory and file handles. Chosen: a key store is small and mostly read through caches.
const (
	memTableBytes = 16 << 20
	maxOpenFiles  = 256

	maxManifestBytes = 4 << 20
)

// pebbleFormat is the layout of Pebble's own files. Pinned, so that a newer Pebble does not silently write what
// an older one cannot read. FormatWALSyncChunks and later let damage in the log be told from a torn tail.
const pebbleFormat = pebble.FormatTableFormatV6

// Options of Open; the zero value is ready for use.
type Options struct {
	CacheBytes       int64                // of Pebble's block cache; 0: DefaultCacheBytes
	HistoryRevisions int                  // commits kept for Watch; 0: DefaultHistoryRevisions
	HistoryBytes     int64                // bytes kept for Watch; 0: DefaultHistoryBytes
	Logger           func(string, ...any) // what Pebble and the store have to say; nil: nothing. Safe for concurrent use
	FS               vfs.FS               // nil: the operating system's
}

func (o Options) withDefaults() Options {
	if o.CacheBytes <= 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.HistoryRevisions <= 0 {
		o.HistoryRevisions = DefaultHistoryRevisions
	}
	if o.HistoryBytes <= 0 {
		o.HistoryBytes = DefaultHistoryBytes
	}
	if o.Logger == nil {
		o.Logger = func(string, ...any) {}
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	return o
}

// Store is the engine. See the package comment.
type Store struct {
	opts  Options
	db    *pebble.DB
	lock  *pebble.Lock
	log   *logger
	queue queue
	meter meter

	current atomic.Pointer[view] // nil once ended
	views   sync.WaitGroup       // not yet released
	swapMu  sync.Mutex           // orders swaps of current
	ended   bool                 // guarded by swapMu

	ending   atomic.Pointer[error] // why the store takes no calls
	failOnce sync.Once
	failed   chan struct{} // closed by fail
	stuck    atomic.Bool   // Pebble cannot be closed any more
	drained  chan struct{} // closed when the committer has gone

	closeOnce sync.Once
	closeErr  error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in dir, or makes a new one where dir is absent or empty. Errors: ErrInUse, ErrDamaged,
// ErrNewerVersion, or the file system's; after an error nothing has been changed, except that a directory which was
// being made may be left incomplete (Open then makes it anew).
func Open(dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if opts.FS == vfs.Default {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("opening store %q: %w", dir, err)
		}
		dir = abs
	}
	s := &Store{opts: opts, failed: make(chan struct{}), drained: make(chan struct{})}
	s.queue.wake = make(chan struct{}, 1)
	s.meter.init()
	s.log = newLogger(opts.Logger)
	if err := s.open(dir); err != nil {
		return nil, fmt.Errorf("opening store %q: %w", dir, err)
	}
	go s.runCommitter()
	return s, nil
}

func (s *Store) open(dir string) (err error) {
	found, err := inspect(s.opts.FS, dir)
	if err != nil {
		return err
	}
	if found == absent {
		if err := makeDir(s.opts.FS, dir); err != nil {
			return err
		}
	}
	if s.lock, err = lockDir(dir, s.opts.FS); err != nil {
		return err
	}
	defer func() {
		if err != nil && !s.stuck.Load() {
			err = errors.Join(err, s.lock.Close())
		}
	}()
	// Again, now that nobody else can change it.
	if found, err = inspect(s.opts.FS, dir); err != nil {
		return err
	}
	var st state
	switch found {
	case complete:
		if st, err = s.rehearse(dir); err != nil {
			return err
		}
		if s.db, err = s.openPebble(dir, false); err != nil {
			return err
		}
	default:
		if err = s.create(dir, found); err != nil {
			return err
		}
	}
	s.log.serve(s)
	s.publish(st)
	return nil
}

// rehearse opens the database without writing, so that whatever is wrong shows while nothing has been changed.
// It returns the state that the directory holds.
func (s *Store) rehearse(dir string) (state, error) {
	if err := errors.Join(checkManifest(s.opts.FS, dir), checkLogs(s.opts.FS, dir)); err != nil {
		return state{}, err
	}
	db, err := s.openPebble(dir, true)
	if err != nil {
		return state{}, asDamage(err)
	}
	st, err := readState(db)
	if err = errors.Join(err, db.Close()); err != nil {
		return state{}, asDamage(err)
	}
	return st, nil
}

// create makes a new store. The directory counts as made only once FORMAT says so: nothing was answered before.
func (s *Store) create(dir string, found condition) error {
	fs := s.opts.FS
	if found == incomplete {
		if err := removeRemains(fs, dir); err != nil {
			return err
		}
	}
	if err := writeFormat(fs, dir, creating); err != nil {
		return err
	}
	db, err := s.openPebble(dir, false)
	if err != nil {
		return err
	}
	err = db.Set([]byte{spaceState}, state{}.append(nil), pebble.Sync)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	// Only a database that is opened again writes logs that say how far they were synced.
	if s.db, err = s.openPebble(dir, false); err != nil {
		return err
	}
	if err := writeFormat(fs, dir, ready); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// openPebble runs Pebble's Open so that its panics and its fatal errors come back as errors.
func (s *Store) openPebble(dir string, readOnly bool) (*pebble.DB, error) {
	type opened struct {
		db  *pebble.DB
		err error
	}
	result := make(chan opened, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- opened{err: fmt.Errorf("pebble could not read its files: %v", p)}
			}
		}()
		db, err := pebble.Open(dir, s.pebbleOptions(readOnly))
		result <- opened{db, err}
	}()
	select {
	case r := <-result:
		return r.db, r.err
	case err := <-s.log.fatal:
		s.stuck.Store(true)
		return nil, err
	}
}

func (s *Store) pebbleOptions(readOnly bool) *pebble.Options {
	o := &pebble.Options{
		CacheSize:          s.opts.CacheBytes,
		FS:                 s.opts.FS,
		Lock:               s.lock,
		Logger:             s.log,
		ReadOnly:           readOnly,
		ErrorIfNotExists:   readOnly,
		FormatMajorVersion: pebbleFormat,
		MemTableSize:       memTableBytes,
		MaxOpenFiles:       maxOpenFiles,

		MaxManifestFileSize: maxManifestBytes,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { s.logf("pebble, in the background: %v", err) },
			// The default ends the process; readers get the error instead.
			DataCorruption: func(info pebble.DataCorruptionInfo) { s.logf("pebble: %v", info) },
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // absent keys are asked for at every creation
	}
	return o
}

// Close implements store.Store. After a failure that Pebble cannot be closed from, it returns that failure.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	s.ending.CompareAndSwap(nil, &errClosed)
	s.queue.close()
	select {
	case <-s.drained:
	case <-s.failed: // the committer may be parked inside Pebble
	}
	s.swap(nil)
	if s.stuck.Load() {
		return fmt.Errorf("closing the store: %w", s.cause())
	}
	<-s.drained
	s.views.Wait()
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

func lockDir(dir string, fs vfs.FS) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fs)
	if err == nil {
		return lock, nil
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) || isHeld(err, errno) {
		return nil, fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	return nil, fmt.Errorf("locking the directory: %w", err)
}

// isHeld tells a lock held elsewhere (fcntl: EAGAIN or EACCES, depending on the system) from a lock file that
// may not be opened, which comes with its path.
func isHeld(err error, errno syscall.Errno) bool {
	var path *errPath
	return !errors.As(err, &path) && (errno == syscall.EAGAIN || errno == syscall.EACCES)
}
