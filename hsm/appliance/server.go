package appliance

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"trent/hsm"
	"trent/hsm/appliance/confine"
)

// Link is the end of hsm/link that serves hosts.
type Link interface {
	// Serve accepts hosts until Shutdown or Close; it returns nil then.
	Serve(l net.Listener) error
	// Shutdown tells hosts to go elsewhere, and returns when all calls are answered, or ctx ends.
	Shutdown(ctx context.Context) error
	Close() error
}

// Options of a Server. What it listens on is opened before the process is confined.
type Options struct {
	Member   hsm.Member
	Link     func(m hsm.Member) (Link, error) // over the member that hosts reach; nil: no hosts
	Hosts    net.Listener                     // for Link
	Console  net.Listener                     // ListenConsole's
	Confined *confine.Report
	Zeroize  func(ctx context.Context) error  // erases identity and keys
	Audit    func() (io.ReadCloser, error)    // the domain's log; nil: none is kept
	Logf     func(format string, args ...any) // nil: dropped
	Drain    time.Duration                    // how long calls in progress may take at the end; 0: DefaultDrain
}

// DefaultDrain is how long calls may take once a server is told to stop.
const DefaultDrain = 10 * time.Second

// ErrZeroized is how Run ends when the module was erased.
var ErrZeroized = errors.New("appliance: zeroized; nothing of this module is left")

// Server serves one module.
type Server struct {
	options Options
	member  *keeper
	link    Link
	http    *http.Server
	started time.Time

	erased     chan struct{} // closed by Zeroize
	erasedOnce sync.Once
}

// New makes a server; Run starts it.
func New(o Options) (*Server, error) {
	s := &Server{options: o, member: &keeper{Member: o.Member}, started: time.Now(), erased: make(chan struct{})}
	if s.options.Drain <= 0 {
		s.options.Drain = DefaultDrain
	}
	if o.Link != nil {
		var err error
		if s.link, err = o.Link(hostMember{s.member}); err != nil {
			return nil, fmt.Errorf("serving hosts: %w", err)
		}
	}
	s.http = &http.Server{
		Handler: s.console(), ReadHeaderTimeout: consoleTimeout, ReadTimeout: consoleTimeout, WriteTimeout: consoleTimeout,
		IdleTimeout: consoleTimeout, MaxHeaderBytes: 16 << 10,
	}
	return s, nil
}

func (s *Server) logf(format string, args ...any) {
	if s.options.Logf != nil {
		s.options.Logf(format, args...)
	}
}

// Run serves until ctx ends, which drains, or until the module is zeroized. Both listeners are closed when it returns.
// Errors: ErrZeroized, a listener's.
func (s *Server) Run(ctx context.Context) error {
	var serving sync.WaitGroup
	failed := make(chan error, 2)
	serving.Go(func() {
		if err := s.http.Serve(limit(s.options.Console, maxConsoleConns)); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving the console: %w", err)
		}
	})
	if s.link != nil {
		serving.Go(func() {
			if err := s.link.Serve(s.options.Hosts); err != nil {
				failed <- fmt.Errorf("serving hosts: %w", err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case <-s.erased:
		err = ErrZeroized
	case err = <-failed:
	}
	err = errors.Join(err, s.drain())
	serving.Wait()
	return err
}

// drain answers what is in progress and ends the rest.
func (s *Server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Drain)
	defer cancel()
	var errs []error
	if s.link != nil {
		if err := s.link.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			errs = append(errs, err)
		}
		errs = append(errs, s.link.Close())
	}
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what is left has had its time
	}
	return errors.Join(errs...)
}

// Status is what an appliance says of itself.
type Status struct {
	Identity    Identity        `json:"identity"`
	Fingerprint string          `json:"fingerprint"` // SHA-256 of the signing key, 64 hex digits
	Module      hsm.Status      `json:"module"`
	Process     *confine.Report `json:"process,omitempty"`
	Started     time.Time       `json:"started"`
	Hosts       string          `json:"hosts,omitempty"` // where hosts are served
}

// Status implements the console's.
func (s *Server) Status(ctx context.Context) (Status, error) {
	id, err := s.member.Identity(ctx)
	if err != nil {
		return Status{}, err
	}
	module, err := s.member.Status(ctx)
	if err != nil && !errors.Is(err, hsm.ErrOutOfService) && !errors.Is(err, hsm.ErrUnavailable) {
		return Status{}, err
	}
	fingerprint := sha256.Sum256(id.HSM.Signing)
	st := Status{Identity: newIdentity(&id), Fingerprint: hex.EncodeToString(fingerprint[:]), Module: module, Process: s.options.Confined, Started: s.started.UTC()}
	if s.options.Hosts != nil {
		st.Hosts = s.options.Hosts.Addr().Network() + ":" + s.options.Hosts.Addr().String()
	}
	return st, nil
}

// Zeroize erases identity and keys, if fingerprint is this module's, and ends Run. Error: the module's, after which
// nothing is promised of what is left, but that Run ends.
func (s *Server) Zeroize(ctx context.Context, fingerprint string) error {
	id, err := s.member.Identity(ctx)
	if err != nil {
		return err
	}
	own := sha256.Sum256(id.HSM.Signing)
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(own[:])), []byte(fingerprint)) != 1 {
		return errFingerprint
	}
	if s.options.Zeroize == nil {
		return fmt.Errorf("%w: this module cannot be erased from here", hsm.ErrCommand)
	}
	s.logf("zeroizing by order of the console")
	err = s.options.Zeroize(ctx)
	s.erasedOnce.Do(func() { close(s.erased) })
	return err
}
