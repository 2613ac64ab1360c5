package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// makeCertificate writes PATH.pem and PATH.key, for server or client: certificate PATH NAME.
func makeCertificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: args[1]}, DNSNames: []string{args[1]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(args[0]+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ts.Check(os.WriteFile(args[0]+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}

func scriptServer(ts *testscript.TestScript) (info readyInfo) {
	text, err := os.ReadFile(filepath.Join(ts.Getenv("D"), "ready.json"))
	ts.Check(err)
	ts.Check(json.Unmarshal(text, &info))
	return info
}

// shakeHands asks the server whether it lives, under a name that its certificate must have, and waits until it does;
// with ! it must not: shake NAME [CLIENT CERTIFICATE'S PATH]. With THROUGH=vpc it goes through the first VPC endpoint.
func shakeHands(ts *testscript.TestScript, neg bool, args []string) {
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		err = shakeOnce(ts, args)
		if neg || err == nil {
			break
		}
	}
	if (err != nil) != neg {
		ts.Fatalf("shaking hands with %s: %v", args[0], err)
	}
}

func shakeOnce(ts *testscript.TestScript, args []string) error {
	info := scriptServer(ts)
	bundle, err := os.ReadFile(info.Bundle)
	ts.Check(err)
	config := &tls.Config{ServerName: args[0], RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(bundle)
	if len(args) > 1 {
		pair, err := tls.LoadX509KeyPair(args[1]+".pem", args[1]+".key")
		ts.Check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	endpoint := info.Endpoint
	if ts.Getenv("THROUGH") == "vpc" {
		endpoint = info.VPCEndpoints[0].Endpoint
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(endpoint, "https://"), config)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	_, err = http.ReadResponse(bufio.NewReader(c), nil)
	return err
}

// hangUp sends the server SIGHUP.
func hangUp(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(syscall.Kill(scriptServer(ts).PID, syscall.SIGHUP))
}
