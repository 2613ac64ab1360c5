package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/pflag"

	"trent/fastpath/frontend"
)

// transport is the door of the settings: its limits and its TLS, with the local CA's certificates unless the user has some.
func (s *settings) transport(ca *frontend.CA) (frontend.Options, *frontend.FileCerts, error) {
	door := frontend.Options{
		MaxBody: s.MaxBodyBytes, MaxHeader: s.MaxHeaderBytes, IdleTimeout: s.IdleTimeout, ReadTimeout: s.ReadTimeout, WriteTimeout: s.WriteTimeout,
		HandshakeTimeout: s.HandshakeTime, MaxHandshakes: s.MaxHandshakes,
	}
	err := s.checkLimits()
	if err != nil {
		return door, nil, err
	}
	var own *frontend.FileCerts
	door.TLS, own, err = s.tls(ca)
	return door, own, err
}

func (s *settings) tls(ca *frontend.CA) (*tls.Config, *frontend.FileCerts, error) {
	if s.PlaintextListen != "" && (s.PQ == frontend.PQRequire || s.ClientCA != "") {
		return nil, nil, usageError(errors.New("--plaintext-listen would let in who --pq require and --client-ca keep out"), "leave one of them out")
	}
	o := frontend.TLSOptions{PQ: s.PQ, TicketRotation: s.TicketRotation}
	if o.TicketRotation == 0 {
		o.TicketRotation = -1
	}
	if s.ClientCA != "" {
		text, err := os.ReadFile(s.ClientCA)
		if err != nil {
			return nil, nil, usageError(fmt.Errorf("client CA: %w", err), "give --client-ca the path of a PEM file")
		}
		if o.ClientCAs = x509.NewCertPool(); !o.ClientCAs.AppendCertsFromPEM(text) {
			return nil, nil, usageError(fmt.Errorf("client CA: no certificate in %s", s.ClientCA), "--client-ca takes a file of PEM certificates")
		}
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return nil, nil, usageError(errors.New("a certificate and its key go together"), "give both --tls-cert and --tls-key, or neither")
	}
	if s.TLSCert == "" {
		return frontend.NewTLS(ca, o), nil, nil
	}
	own, err := frontend.OpenFileCerts(s.TLSCert, s.TLSKey)
	if err != nil {
		return nil, nil, usageError(err, "--tls-cert takes a PEM chain with the server's own certificate first, --tls-key the key of that one")
	}
	return frontend.NewTLS(own, o), own, nil
}

// reloader reads the user's certificate again and tells clients whom to trust; it says which is in use then. nil: the
// user has none.
func (r *running) reloader(ca *frontend.CA) func() (string, error) {
	if r.certs == nil {
		return nil
	}
	root, bundle := r.ready.CA, r.ready.Bundle
	var mu sync.Mutex
	return func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if err := r.certs.Reload(); err != nil {
			return r.certs.String(), err
		}
		if err := writeTrust(root, bundle, ca, r.certs); err != nil {
			return r.certs.String(), fmt.Errorf("writing the CA bundle: %w", err)
		}
		return r.certs.String(), nil
	}
}

// reloadOnHangup reloads at each SIGHUP from now on, until it is stopped. Without anything to reload it leaves the signal
// alone.
func reloadOnHangup(reload func() (string, error), logf func(string, ...any)) (stop func()) {
	if reload == nil {
		return func() {}
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	var done sync.WaitGroup
	done.Go(func() {
		for range hangups {
			if inUse, err := reload(); err != nil {
				logf("reloading the certificate: %v; in use: %s", err, inUse)
			} else {
				logf("the certificate was reloaded: %s", inUse)
			}
		}
	})
	return func() {
		signal.Stop(hangups)
		close(hangups)
		done.Wait()
	}
}

// bindLimits declares the flags of what a connection may take.
func (s *settings) bindLimits(fs *pflag.FlagSet) {
	fs.IntVar(&s.MaxHeaderBytes, "max-header-bytes", s.MaxHeaderBytes, "largest request line and headers in bytes")
	fs.DurationVar(&s.ReadTimeout, "read-timeout", s.ReadTimeout, "close connections whose request took longer than this to arrive, from its first byte to its last")
	fs.DurationVar(&s.WriteTimeout, "write-timeout", s.WriteTimeout, "close connections that did not take an answer for this long")
	fs.DurationVar(&s.HandshakeTime, "handshake-timeout", s.HandshakeTime, "close connections whose TLS handshake took longer than this")
	fs.IntVar(&s.MaxHandshakes, "max-handshakes", s.MaxHandshakes, "TLS handshakes in flight at the most; beyond it new connections wait, and slow handshakes make room")
}

// checkLimits refuses what would mean a default or no limit at all.
func (s *settings) checkLimits() error {
	for _, limit := range []struct {
		flag string
		ok   bool
	}{
		{"--max-header-bytes", s.MaxHeaderBytes > 0}, {"--read-timeout", s.ReadTimeout > 0}, {"--write-timeout", s.WriteTimeout > 0},
		{"--handshake-timeout", s.HandshakeTime > 0}, {"--max-handshakes", s.MaxHandshakes > 0},
	} {
		if !limit.ok {
			return usageError(fmt.Errorf("%s must be more than 0", limit.flag), "leave it out for the default")
		}
	}
	return nil
}
