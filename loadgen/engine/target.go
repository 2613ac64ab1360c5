package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// destination is a target that passed the rules, with the addresses that were checked: nothing else is ever dialled, so that a
// name that changes its address later cannot lead elsewhere.
type destination struct {
	host      string // as the Host header and the signature have it
	addresses []netip.AddrPort
	tls       *tls.Config // nil: plaintext
	preferred atomic.Int32
	meter     *handshakeMeter // nil: nobody counts
	// dial opens a TCP connection; tests replace it.
	dial func(ctx context.Context, address netip.AddrPort) (net.Conn, error)
}

// resolve checks a target by its rules, after looking its name up. Errors are *TargetError.
func resolve(ctx context.Context, t *Target) (*destination, error) {
	refuse := func(reason error) (*destination, error) { return nil, &TargetError{URL: t.URL, Reason: reason} }
	u, err := url.Parse(t.URL)
	if err != nil {
		// The parser's own text repeats the URL, which may hold a password.
		return nil, &TargetError{URL: "(unreadable)", Reason: ErrURL}
	}
	if u.User != nil {
		return nil, &TargetError{URL: u.Redacted(), Reason: ErrURL}
	}
	switch {
	case u.Scheme == "http" && !t.AllowPlaintext:
		return refuse(ErrPlaintext)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "":
		return refuse(ErrURL)
	}
	defaultPort := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return refuse(ErrURL)
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return refuse(fmt.Errorf("%w: %w", ErrResolve, err))
	}
	d := &destination{host: u.Host, dial: dialTCP}
	d.host = strings.TrimSuffix(d.host, ":"+defaultPort)
	for _, a := range addresses {
		a = a.Unmap()
		switch {
		case a.IsLoopback():
		case !t.AllowRemote:
			return refuse(fmt.Errorf("%w (%s)", ErrRemote, a))
		case t.MaxRequests == 0:
			return refuse(fmt.Errorf("%w (%s)", ErrUncapped, a))
		}
		d.addresses = append(d.addresses, netip.AddrPortFrom(a, uint16(number)))
	}
	if len(d.addresses) == 0 {
		return refuse(ErrResolve)
	}
	if u.Scheme == "https" {
		d.tls = &tls.Config{RootCAs: t.RootCAs, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			// A request is one record, however long; small first records serve browsers that show a page's beginning.
			DynamicRecordSizingDisabled: true}
	}
	return d, nil
}

// Remote reports whether a target has an address that is not of this machine. A target that cannot be told is not: its run is refused
// with the reason.
func Remote(ctx context.Context, t Target) bool {
	t.AllowRemote = false
	_, err := resolve(ctx, &t)
	return errors.Is(err, ErrRemote)
}

func dialTCP(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address.String())
}

// connect opens a connection ready for requests.
func (d *destination) connect(ctx context.Context, timeout time.Duration) (*conn, error) {
	var c *conn
	err := d.open(ctx, timeout, func(ctx context.Context, raw net.Conn) (stream net.Conn, err error) {
		if c, err = newConn(raw, d.secure(ctx)); err != nil {
			return nil, err
		}
		return c.stream, nil
	})
	return c, err
}

// open dials and has the stream made over the connection, which it closes if that fails. The addresses are tried in turn, beginning
// with the last good one.
func (d *destination) open(ctx context.Context, timeout time.Duration, secure func(context.Context, net.Conn) (net.Conn, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var failure error
	first := int(d.preferred.Load())
	for i := range d.addresses {
		at := (first + i) % len(d.addresses)
		begun := time.Now()
		raw, err := d.dial(ctx, d.addresses[at])
		if err != nil {
			failure = err
			continue
		}
		dialled := time.Now()
		d.preferred.Store(int32(at))
		stream, err := secure(ctx, raw)
		if err != nil {
			raw.Close()
			d.meter.failed()
			return &handshakeError{err}
		}
		d.meter.made(dialled.Sub(begun), time.Since(dialled), stream)
		return nil
	}
	d.meter.failed()
	return failure
}

// secure makes TLS streams; nil in plaintext.
func (d *destination) secure(ctx context.Context) func(net.Conn) (net.Conn, error) {
	if d.tls == nil {
		return nil
	}
	return func(raw net.Conn) (net.Conn, error) {
		config := d.tls
		if w, ok := raw.(*wire); ok && w.turn.possible() { // it may come to a loop, whose records need the secrets
			w.secrets, w.shaking = &secrets{}, true
			defer func() { w.shaking = false }()
			config = config.Clone()
			config.KeyLogWriter = w.secrets
		}
		c := tls.Client(raw, config)
		return c, c.HandshakeContext(ctx)
	}
}

// handshakeError tells a failed handshake from a failed dial.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "tls handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// budget is a cap on requests, shared by all that send.
type budget struct {
	limit uint64 // 0: none
	used  atomic.Uint64
}

// take claims n requests; it claims none where fewer are left.
func (b *budget) take(n uint64) bool {
	if b.limit == 0 {
		b.used.Add(n)
		return true
	}
	for {
		used := b.used.Load()
		if n > b.limit || used > b.limit-n {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}
