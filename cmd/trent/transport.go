package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"trent/fastpath/frontend"
)

// transport makes the endpoint's TLS of the settings: the local CA's certificates unless the user has some.
func (s *settings) transport(ca *frontend.CA) (*tls.Config, *frontend.FileCerts, error) {
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

// reloadOnHangup reads the user's certificate again at each SIGHUP until ctx ends.
func reloadOnHangup(ctx context.Context, certs *frontend.FileCerts, logf func(string, ...any)) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if err := certs.Reload(); err != nil {
				logf("the certificate in use stays: %v", err)
			} else {
				logf("the certificate was reloaded")
			}
		}
	}
}
