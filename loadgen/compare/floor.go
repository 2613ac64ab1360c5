package compare

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"trent/loadgen/engine"
	"trent/results"
)

// FloorSettings are all settings of the echo floor that are not fasthttp's or crypto/tls's defaults, and those it is read by.
var FloorSettings = []string{"fasthttp.Server: defaults, but NoDefaultServerHeader", "tls.Config: defaults, ECDSA P-256 certificate",
	"GOGC and GOMAXPROCS: defaults on its CPUs", "an answer of the subject's size for each operation"}

// floorHead is the head of a floor's answer without the digits of its length.
const floorHead = "HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: \r\n\r\n"

// floorBody is the size of the body that makes a floor's whole answer as long as wanted.
func floorBody(whole int) int {
	body := whole - len(floorHead)
	return max(body-len(strconv.Itoa(max(body, 1))), 0)
}

// FormatSizes spells sizes of answers by operation for a command line.
func FormatSizes(sizes map[string]int) string {
	var parts []string
	for _, operation := range slices.Sorted(maps.Keys(sizes)) {
		parts = append(parts, fmt.Sprintf("%s=%d", operation, sizes[operation]))
	}
	return strings.Join(parts, ",")
}

// ParseSizes reads what FormatSizes writes.
func ParseSizes(text string) (map[string]int, error) {
	sizes := map[string]int{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > 1<<20 || name == "" {
			return nil, fmt.Errorf("%q is not OPERATION=BYTES", part)
		}
		sizes[name] = n
	}
	return sizes, nil
}

// announced is what a floor writes once it accepts requests.
type announced struct {
	Endpoint string `json:"endpoint"`
	CA       string `json:"ca_pem"`
}

// ServeFloor is the echo floor: it answers each operation with so many bytes, whatever the request says, until ctx ends. It
// listens on a loopback port of its own and announces itself in a file. Errors: it cannot listen or write.
func ServeFloor(ctx context.Context, announce string, sizes map[string]int) error {
	certificate, ca, err := FloorCertificate()
	if err != nil {
		return fmt.Errorf("making the floor's certificate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &fasthttp.Server{NoDefaultServerHeader: true, Handler: floorHandler(sizes)}
	text, err := json.Marshal(announced{Endpoint: "https://" + listener.Addr().String(), CA: string(ca)})
	if err == nil {
		err = os.WriteFile(announce+".part", text, 0o600)
	}
	if err == nil {
		err = os.Rename(announce+".part", announce)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("announcing the floor: %w", err), listener.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	err = server.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func floorHandler(sizes map[string]int) fasthttp.RequestHandler {
	replies := map[string][]byte{}
	for operation, size := range sizes {
		replies[operation] = bytes.Repeat([]byte{'x'}, size)
	}
	return func(c *fasthttp.RequestCtx) {
		_, operation, _ := bytes.Cut(c.Request.Header.Peek("X-Amz-Target"), []byte{'.'})
		c.SetContentType("application/x-amz-json-1.1")
		c.SetBody(replies[string(operation)])
	}
}

// FloorCertificate makes a self-signed certificate for 127.0.0.1, good for three days, and its PEM.
func FloorCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "echo floor"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(72 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// startFloor starts the floor with answers of the sizes that the probes of the other side had.
func (r *run) startFloor(ctx context.Context) error {
	side := r.sides[0]
	sizes := map[string]int{}
	for _, p := range r.result.Probes {
		if p.Side == "B" && p.Finding == results.Answers && p.Entry != "" {
			sizes[p.Operation] = floorBody(p.Bytes)
		}
	}
	dir, err := os.MkdirTemp("", "trent-floor-*")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(dir) // it is read before this returns
	file := filepath.Join(dir, "ready.json")
	command := r.Floor
	command.Args = append(slices.Clone(command.Args), file, FormatSizes(sizes))
	r.Display.Phase("starting the echo floor")
	child, err := startChild(command, r.pinnedTo())
	if err != nil {
		return fmt.Errorf("starting the floor: %w", err)
	}
	side.stop, side.exited, side.log, side.PID = child.end, child.exited, child.stderr.Text, child.command.Process.Pid
	var ready announced
	err = child.await(ctx, func() bool {
		text, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(text, &ready) == nil
	})
	if err != nil {
		return fmt.Errorf("starting the floor: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ready.CA)) {
		return errors.New("starting the floor: it announced no certificate")
	}
	other := r.sides[1]
	side.Target = engine.Target{URL: ready.Endpoint, Region: other.Target.Region, Credentials: other.Target.Credentials, RootCAs: roots}
	side.keys = other.keys // the same request bytes
	return nil
}
