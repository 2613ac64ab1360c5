package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"trent/hsm"
	"trent/hsm/internal/session"
)

// ServerOptions are NewServer's. The zero value of everything but Module and Authority is a default.
type ServerOptions struct {
	Module    hsm.Module // an hsm.Member, if it has a state that hosts bring
	Authority Authority

	Hybrid        bool          // offer ML-KEM-1024 beside P-384
	Lifetime      time.Duration // of session keys; 0: an hour
	Kernel        string        // AES-256-GCM; "": the best one here
	RequireLocked bool          // refuse memory that may be swapped

	Connections      int           // at a time, those before their session included; 0: 256
	Strangers        int           // of these, before their first envelope, of more the oldest has to go; 0: a quarter
	InFlight         int           // requests of a connection at a time; more are answered by hsm.ErrBusy; 0: 1,024
	Slow             int           // goroutines for calls behind the module's gate; 0: 8 a processor
	Handshakes       int           // at a time; 0: one a processor
	HandshakeTimeout time.Duration // from the connection to the first envelope; 0: 10 s
	IdleTimeout      time.Duration // without a frame; 0: 2 min
	WriteTimeout     time.Duration // of a write that does not get on; 0: 10 s
	Deliveries       int           // domain tokens a minute from hosts without a session; 0: 60

	// Closed, if given, is told why a connection ended; nil: as it should.
	Closed func(remote net.Addr, why error)
}

func (o ServerOptions) withDefaults() ServerOptions {
	for _, n := range []struct {
		of   *int
		zero int
	}{
		{&o.Connections, 256}, {&o.InFlight, 1024}, {&o.Slow, 8 * runtime.GOMAXPROCS(0)},
		{&o.Handshakes, runtime.GOMAXPROCS(0)}, {&o.Deliveries, 60},
	} {
		if *n.of <= 0 {
			*n.of = n.zero
		}
	}
	if o.Strangers <= 0 {
		o.Strangers = max(1, o.Connections/4)
	}
	for _, d := range []struct {
		of   *time.Duration
		zero time.Duration
	}{
		{&o.HandshakeTimeout, 10 * time.Second}, {&o.IdleTimeout, 2 * time.Minute}, {&o.WriteTimeout, 10 * time.Second},
	} {
		if *d.of <= 0 {
			*d.of = d.zero
		}
	}
	return o
}

// Server is the module's end of the link. Safe for concurrent use.
type Server struct {
	opts       ServerOptions
	responder  session.Responder
	pool       *session.Pool
	brief      workers
	long       workers
	admin      workers
	handshakes chan struct{}
	deliveries bucket

	mu        sync.Mutex
	ports     map[*port]struct{}
	strangers int // ports before their session
	listeners map[net.Listener]struct{}
	leaving   bool
	drained   chan struct{} // closed when the last connection of a leaving server has ended

	running sync.WaitGroup // ports and the janitor
	stop    chan struct{}
	closing sync.Once
	calls   atomic.Uint64
}

// NewServer makes a server; Serve and ServeConn feed it. Errors: session.OpenPool's.
func NewServer(o ServerOptions) (*Server, error) {
	o = o.withDefaults()
	pool, err := session.OpenPool(session.PoolOptions{Slots: o.Connections + 2*o.Handshakes, Kernel: o.Kernel, RequireLocked: o.RequireLocked})
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, pool: pool,
		handshakes: make(chan struct{}, o.Handshakes),
		ports:      map[*port]struct{}{},
		listeners:  map[net.Listener]struct{}{},
		stop:       make(chan struct{}),
		drained:    make(chan struct{}),
	}
	s.responder.Authority, s.responder.Pool, s.responder.Hybrid, s.responder.Lifetime = o.Authority, pool, o.Hybrid, o.Lifetime
	s.brief.limit, s.long.limit, s.admin.limit = 2*runtime.GOMAXPROCS(0), o.Slow, adminWorkers
	s.deliveries = newBucket(o.Deliveries, time.Minute)
	s.running.Go(s.look)
	return s, nil
}

// adminWorkers bounds the administrative requests that run at a time.
const adminWorkers = 8

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("link: the server is closed")

// Serve accepts connections until the listener ends; Shutdown and Close end it. Errors: ErrServerClosed, the
// listener's.
func (s *Server) Serve(l net.Listener) error {
	if !s.addListener(l) {
		return errors.Join(ErrServerClosed, l.Close())
	}
	defer s.removeListener(l)
	for wait := time.Duration(0); ; {
		conn, err := l.Accept()
		if err == nil {
			wait = 0
			if !s.start(conn) {
				turnAway(conn)
			}
			continue
		}
		if s.isLeaving() {
			return ErrServerClosed
		}
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() && !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) && !errors.Is(err, syscall.ECONNABORTED) {
			return fmt.Errorf("accepting connections: %w", err)
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(wait):
		case <-s.stop:
		}
	}
}

// ServeConn serves one connection, which it closes, until its end. Error: why it ended; nil: as it should.
func (s *Server) ServeConn(conn net.Conn) error {
	p, ok := s.add(conn)
	if !ok {
		turnAway(conn)
		return errTooMany
	}
	defer s.running.Done()
	return p.run()
}

func (s *Server) start(conn net.Conn) bool {
	p, ok := s.add(conn)
	if ok {
		go func() {
			defer s.running.Done()
			p.run()
		}()
	}
	return ok
}

// turnAway says that there is no room, as far as the connection takes it.
func turnAway(conn net.Conn) {
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write(appendRefusal(nil, refuseBusy))
	conn.Close()
}

// add registers a connection, whose run the caller must follow by running.Done; false: there are too many, or the
// server is leaving.
func (s *Server) add(conn net.Conn) (*port, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving || len(s.ports) >= s.opts.Connections || s.strangers >= 2*s.opts.Strangers {
		return nil, false
	}
	if s.strangers >= s.opts.Strangers {
		s.evict()
	}
	s.strangers++
	p := newPort(s, conn)
	s.ports[p] = struct{}{}
	s.running.Add(1)
	return p, true
}

// evict ends the stranger that has been there for longest: a host needs milliseconds to be none any more, whoever wants
// to keep others out stays.
func (s *Server) evict() {
	var oldest *port
	for p := range s.ports {
		if p.stranger && !p.evicted && (oldest == nil || p.born.Before(oldest.born)) {
			oldest = p
		}
	}
	if oldest != nil {
		oldest.evicted = true
		oldest.fail(errTooMany)
	}
}

func (s *Server) remove(p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ports, p)
	if p.stranger {
		s.strangers--
	}
	if s.leaving && len(s.ports) == 0 {
		close(s.drained)
	}
}

// known counts a connection that has its session among the hosts.
func (s *Server) known(p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.stranger = false
	s.strangers--
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	l.Close()
}

func (s *Server) isLeaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving
}

// each calls f with every connection of this moment.
func (s *Server) each(f func(*port)) {
	s.mu.Lock()
	ports := make([]*port, 0, len(s.ports))
	for p := range s.ports {
		ports = append(ports, p)
	}
	s.mu.Unlock()
	for _, p := range ports {
		f(p)
	}
}

// look is the janitor: it ends connections that are idle, or whose session is over.
func (s *Server) look() {
	tick := time.NewTicker(max(min(s.opts.IdleTimeout/8, time.Second), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			s.each(func(p *port) { p.look(now) })
		}
	}
}

// Recheck ends the connections of hosts that the domain's state does not list any more. Whoever changes the state other
// than through this server calls it.
func (s *Server) Recheck() { s.each((*port).recheck) }

// Status is what a server says of itself.
type ServerStatus struct {
	Connections int
	InFlight    int    // requests that wait for a worker or have one
	Calls       uint64 // since start
}

// Status counts connections and requests.
func (s *Server) Status() ServerStatus {
	st := ServerStatus{Calls: s.calls.Load()}
	s.each(func(p *port) {
		st.Connections++
		st.InFlight += int(p.inFlight.Load())
	})
	return st
}

// Shutdown accepts nothing more, tells the hosts to take their calls elsewhere, and waits until they have said goodbye
// and have their answers; what is left when ctx ends is cut off. It closes the server. Error: ctx's.
func (s *Server) Shutdown(ctx context.Context) error {
	s.leave()
	s.each((*port).goAway)
	var err error
	select {
	case <-s.drained:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return errors.Join(err, s.Close())
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leaving && len(s.ports) == 0 {
		close(s.drained)
	}
	s.leaving = true
	for l := range s.listeners {
		l.Close()
	}
}

// Close cuts off everything and waits for what runs.
func (s *Server) Close() error {
	s.leave()
	var err error
	s.closing.Do(func() {
		close(s.stop)
		s.each(func(p *port) { p.fail(ErrServerClosed) })
		s.running.Wait()
		s.brief.wait()
		s.long.wait()
		s.admin.wait()
		err = s.pool.Close()
	})
	return err
}
