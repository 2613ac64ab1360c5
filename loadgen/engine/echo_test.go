package engine_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
)

// The echo server runs in a process of its own, so that the CPU time of the client's process is the client's.
func TestMain(m *testing.M) {
	if os.Getenv("TRENT_TEST_ECHO") != "" {
		serveEcho()
		return
	}
	os.Exit(m.Run())
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// serveEcho answers every request with a fixed reply, as cheaply as TLS allows, until its standard input ends.
func serveEcho() {
	certificate, err := selfSigned()
	if err != nil {
		panic(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n%x\n", l.Addr(), certificate.Certificate[0])
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echo(c)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

var echoReply = []byte("HTTP/1.1 200 OK\r\nx-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\n" +
	"Content-Type: application/x-amz-json-1.1\r\nContent-Length: 300\r\n\r\n" + string(bytes.Repeat([]byte("x"), 300)))

func echo(c net.Conn) {
	defer c.Close()
	in := make([]byte, 0, 64<<10)
	for {
		n, err := c.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
		head, body, ok := bytes.Cut(in, []byte("\r\n\r\n"))
		if !ok {
			continue
		}
		_, length, _ := bytes.Cut(head, []byte("Content-Length: "))
		length, _, _ = bytes.Cut(length, []byte("\r\n"))
		if want, _ := strconv.Atoi(string(length)); len(body) < want {
			continue
		}
		in = in[:0]
		if _, err := c.Write(echoReply); err != nil {
			return
		}
	}
}

// startEcho starts the server's process and returns a target for it.
func startEcho(tb testing.TB) engine.Target {
	tb.Helper()
	command := exec.Command(os.Args[0])
	if cpus := os.Getenv("TRENT_TEST_ECHO_CPUS"); cpus != "" {
		command = exec.Command("taskset", "-c", cpus, os.Args[0])
	}
	command.Env = append(os.Environ(), "TRENT_TEST_ECHO=1")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { stdin.Close(); command.Wait() })
	var address string
	var der []byte
	if _, err := fmt.Fscanf(stdout, "%s\n%x\n", &address, &der); err != nil {
		tb.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return engine.Target{URL: "https://" + address, Region: "us-east-1", RootCAs: roots,
		Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}
}

// BenchmarkClientCPU runs b.N requests at a fixed rate and reports the client's CPU time a request, its p99 pacer lag and p99
// client lag. The server is another process.
func BenchmarkClientCPU(b *testing.B) {
	target := startEcho(b)
	w, err := workload.Parse("bench", []byte("name: bench\nkeys: [{name: k, count: 16}]\nmix: [{operation: Encrypt}]\n"))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		engine string
		rate   float64
	}{{"native", 5000}, {"native", 15000}, {"native", 30000}, {"native", 50000}, {"native", 150000}, {"vegeta", 5000}, {"vegeta", 12000}} {
		b.Run(fmt.Sprintf("engine=%s/rate=%.0f", c.engine, c.rate), func(b *testing.B) {
			e, err := engine.New(c.engine)
			if err != nil {
				b.Fatal(err)
			}
			recorder := measure.NewRecorder(measure.Config{Entries: w.EntryNames()})
			d := time.Duration(float64(b.N) / c.rate * float64(time.Second))
			report, err := e.Run(context.Background(), &engine.Plan{Target: target, Workload: w, Keys: engine.FakeKeys(w),
				Schedule: schedule.Poisson(c.rate, max(d, time.Millisecond), 1), Recorder: recorder})
			if err != nil {
				b.Fatal(err)
			}
			s := recorder.Summary()
			if s.Count(measure.OK) != s.Asked() {
				b.Fatalf("errors: %v", s.Errors)
			}
			us := func(d time.Duration) float64 { return float64(d) / 1e3 }
			b.ReportMetric(us(report.ClientCPU)/float64(max(report.Sent, 1)), "cpu-µs/req")
			b.ReportMetric(us(measure.Quantile(s.PacerLag(), 0.99)), "p99-pacer-µs")
			b.ReportMetric(us(measure.Quantile(s.ClientLag(), 0.99)), "p99-client-µs")
			b.ReportMetric(us(measure.Quantile(s.Service(measure.OK), 0.5)), "p50-service-µs")
		})
	}
}
