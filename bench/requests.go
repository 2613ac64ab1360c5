package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
)

// distinct is how many signed requests peers that cannot sign repeat in turn.
const distinct = 4096

// capture is the engine's own requests, for peers that send the same bytes.
type capture struct {
	mu       sync.Mutex
	requests []captured
}

type captured struct {
	header http.Header
	body   []byte
}

// captureRequests lets the native engine send to a listener of this process, which keeps what comes.
func captureRequests(ctx context.Context, w *workload.Workload, keys *engine.Provisioned) ([]captured, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &capture{}
	server := &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	s := &subject{name: "capture", target: engine.Target{URL: "http://" + l.Addr().String(), Region: "us-east-1", AllowPlaintext: true,
		Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}}
	native, err := engine.New("native")
	if err != nil {
		return nil, err
	}
	if _, _, err := runOn(ctx, native, s, w, keys, schedule.Constant(distinct, time.Second), 8); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) == 0 {
		return nil, fmt.Errorf("no request was captured")
	}
	return c.requests, nil
}

// ServeHTTP keeps a request.
func (c *capture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	c.requests = append(c.requests, captured{r.Header.Clone(), body})
	c.mu.Unlock()
	_, _ = io.WriteString(w, "{}")
}

// names of the headers in the order in which the engine sends them.
var headerOrder = []string{"User-Agent", "Content-Length", "Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Target"}

// bytesFor is the request as it goes over the wire to a host.
func (c captured) bytesFor(host string) string {
	var b strings.Builder
	b.WriteString("POST / HTTP/1.1\r\nHost: " + host + "\r\n")
	for _, name := range headerOrder {
		value := c.header.Get(name)
		if name == "Content-Length" {
			value = fmt.Sprint(len(c.body))
		}
		b.WriteString(name + ": " + value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(c.body)
	return b.String()
}

// writeScript makes wrk's script, which sends the requests in turn.
func writeScript(dir, host string, requests []captured) (string, error) {
	path := filepath.Join(dir, "requests.lua")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "local requests = {}")
	for i, r := range requests {
		fmt.Fprintf(w, "requests[%d] = %s\n", i+1, luaString(r.bytesFor(host)))
	}
	fmt.Fprintf(w, "local n = 0\nrequest = function() n = n %% %d + 1; return requests[n] end\n", len(requests))
	return path, w.Flush()
}

// luaString quotes text for Lua, which knows decimal escapes.
func luaString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\' || c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
