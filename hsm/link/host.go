package link

import (
	"sync"
	"time"

	"trent/hsm/internal/session"
)

// Peers is what a host needs to know: its own signing key, and which modules are of its domain.
type Peers = session.Peers

// Authority is what a module's end needs of its module.
type Authority = session.Authority

// HostOptions are NewHost's.
type HostOptions struct {
	Peers         Peers
	Hybrid        bool   // offer ML-KEM-1024 beside P-384
	Slots         int    // connections, sessions and handshakes at a time; 0: 128
	Kernel        string // AES-256-GCM; "": the best one here
	RequireLocked bool   // refuse memory that may be swapped
}

// Host is who this process is to the modules of its domain. Its session key, made with one of them, serves for all,
// until it is renewed before its end. Safe for concurrent use.
type Host struct {
	session session.Host

	mu     sync.Mutex
	ticket *session.Ticket
	renew  time.Time // when to make another
}

// NewHost makes a host. Errors: session.OpenPool's.
func NewHost(o HostOptions) (*Host, error) {
	if o.Slots == 0 {
		o.Slots = 128
	}
	pool, err := session.OpenPool(session.PoolOptions{Slots: o.Slots, Kernel: o.Kernel, RequireLocked: o.RequireLocked})
	if err != nil {
		return nil, err
	}
	return &Host{session: session.Host{Peers: o.Peers, Pool: pool, Hybrid: o.Hybrid}}, nil
}

// current is the session to open connections under, nil if there is none or it ends soon.
func (h *Host) current(now time.Time) *session.Ticket {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ticket == nil || !now.Before(h.renew) {
		return nil
	}
	return h.ticket
}

// keep makes a session the current one.
func (h *Host) keep(t *session.Ticket, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ticket != nil {
		h.ticket.Wipe()
	}
	h.ticket, h.renew = t, renewal(now, t.Ends())
}

// renewal is when a session is renewed that ends at that time: after three to four fifths of it.
func renewal(now, ends time.Time) time.Time {
	fifth := ends.Sub(now) / 5
	return ends.Add(-fifth - upTo(fifth))
}

// Close forgets the session. Connections run on until their clients are closed.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ticket != nil {
		h.ticket.Wipe()
		h.ticket = nil
	}
	return h.session.Pool.Close()
}
