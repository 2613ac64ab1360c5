package bench

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// FloorCertificate makes a self-signed certificate for 127.0.0.1 and its PEM.
func FloorCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "echo floor"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, cert, nil
}

// ServeFloor is the echo floor: stock fasthttp over stock crypto/tls, all settings at their defaults but
// the name of the server, answering every request with size bytes of a JSON string.
func ServeFloor(l net.Listener, cert tls.Certificate, size int) error {
	reply := append(append([]byte(`{"a":"`), bytes.Repeat([]byte("x"), max(0, size-8))...), `"}`...)
	server := &fasthttp.Server{
		NoDefaultServerHeader: true,
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/x-amz-json-1.1")
			ctx.SetBody(reply)
		},
	}
	return server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}))
}
