package appliance

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"trent/hsm"
	"trent/hsm/appliance/confine"
	"trent/hsm/internal/domain"
	"trent/hsm/link"
)

// Link is the end of hsm/link that serves hosts.
type Link interface {
	// Serve accepts hosts until Shutdown or Close; it returns link.ErrServerClosed then.
	Serve(l net.Listener) error
	// Shutdown tells hosts to go elsewhere, and returns when all calls are answered, or ctx ends.
	Shutdown(ctx context.Context) error
	// Recheck ends the connections of hosts that the domain does not list any more.
	Recheck()
	Close() error
}

// Options of a Server. What it listens on is opened before the process is confined.
type Options struct {
	Member   hsm.Member
	Link     func(m hsm.Member) (Link, error) // over the member that hosts reach; nil: no hosts
	Hosts    net.Listener                     // for Link
	Console  net.Listener                     // ListenConsole's
	State    string                           // directory of the audit log; empty: none is kept
	Confined *confine.Report
	Zeroize  func() error                     // erases identity and keys
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

// New makes a server; Run starts it. Errors: the audit log's, Link's.
func New(o Options) (*Server, error) {
	if o.Drain <= 0 {
		o.Drain = DefaultDrain
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	s := &Server{options: o, started: time.Now(), erased: make(chan struct{})}
	s.member = &keeper{Member: o.Member, logf: o.Logf, changed: s.recheck, left: s.end}
	s.http = &http.Server{
		Handler: s.console(), ReadHeaderTimeout: consoleTimeout, ReadTimeout: consoleTimeout, WriteTimeout: consoleTimeout,
		IdleTimeout: consoleTimeout, MaxHeaderBytes: 16 << 10,
	}
	var err error
	if o.State != "" {
		if s.member.log, err = domain.OpenLog(o.State); err != nil {
			return nil, err
		}
	}
	if o.Link != nil {
		if s.link, err = o.Link(hostMember{s.member}); err != nil {
			return nil, errors.Join(fmt.Errorf("serving hosts: %w", err), s.closeLog())
		}
	}
	return s, nil
}

func (s *Server) closeLog() error {
	if s.member.log == nil {
		return nil
	}
	return s.member.log.Close()
}

// recheck follows a change of state.
func (s *Server) recheck() {
	if s.link != nil {
		s.link.Recheck()
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
			if err := s.link.Serve(s.options.Hosts); !errors.Is(err, link.ErrServerClosed) {
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
	return errors.Join(err, s.closeLog())
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
	PID         int             `json:"pid"`
	Started     time.Time       `json:"started"`
	Hosts       string          `json:"hosts,omitempty"` // where hosts are served
	Console     string          `json:"console"`
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
	st := Status{Identity: newIdentity(&id), Fingerprint: hex.EncodeToString(fingerprint[:]), Module: module, Process: s.options.Confined, PID: os.Getpid(), Started: s.started.UTC()}
	if s.options.Console != nil {
		st.Console = s.options.Console.Addr().String()
	}
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
	s.options.Logf("zeroizing by order of the console")
	err = s.options.Zeroize()
	s.end()
	return err
}

// end has Run end: nothing of the module is left.
func (s *Server) end() { s.erasedOnce.Do(func() { close(s.erased) }) }
