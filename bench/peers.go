package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"trent/loadgen/machine"
)

// wrkAbsent is what to do for the figures beside wrk.
const wrkAbsent = "wrk is not installed (apt-get install wrk)"

// cost is CPU time over requests.
type cost struct {
	micros float64 // of CPU a request
	rate   float64 // requests a second
}

var wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)

// runWrk offers all that wrk can send over the connections from the given CPU. Its CPU time includes the handshakes of its
// connections and the loading of the script, which are under two parts in a hundred.
func runWrk(ctx context.Context, cpus []int, script, endpoint string, d time.Duration, conns int) (cost, error) {
	path, err := exec.LookPath("wrk")
	if err != nil {
		return cost{}, errors.New(wrkAbsent)
	}
	var out strings.Builder
	cmd := exec.CommandContext(ctx, path, "-t1", "-c"+strconv.Itoa(conns), fmt.Sprintf("-d%ds", int(d.Seconds())), "-s", script, endpoint+"/")
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	begun := time.Now()
	if err := machine.StartPinned(cmd, cpus); err != nil {
		return cost{}, fmt.Errorf("starting wrk: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return cost{}, fmt.Errorf("wrk: %w", err)
	}
	elapsed := time.Since(begun)
	text := out.String()
	found := wrkRequests.FindStringSubmatch(text)
	if found == nil || strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") {
		return cost{}, fmt.Errorf("wrk said:\n%s", text)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil || n == 0 {
		return cost{}, fmt.Errorf("wrk said:\n%s", text)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return cost{micros: cpu.Seconds() * 1e6 / n, rate: n / elapsed.Seconds()}, nil
}

// plainVegeta is the library as anyone would use it: net/http below, its own clock and workers.
type plainVegeta struct {
	attacker *vegeta.Attacker
	targets  vegeta.Targeter
}

func newPlainVegeta(s *subject, requests []captured, workers, most, conns int) *plainVegeta {
	targets := make([]vegeta.Target, len(requests))
	for i, r := range requests {
		header := http.Header{}
		for _, name := range headerOrder {
			if name != "Content-Length" {
				header.Set(name, r.header.Get(name))
			}
		}
		targets[i] = vegeta.Target{Method: http.MethodPost, URL: s.ready.Endpoint + "/", Header: header, Body: r.body}
	}
	var n atomic.Uint64
	return &plainVegeta{
		attacker: vegeta.NewAttacker(vegeta.TLSConfig(&tls.Config{RootCAs: s.target.RootCAs, MinVersion: tls.VersionTLS12}), vegeta.HTTP2(false),
			vegeta.Workers(uint64(workers)), vegeta.MaxWorkers(uint64(most)), vegeta.Connections(conns)),
		targets: func(t *vegeta.Target) error {
			*t = targets[(n.Add(1)-1)%uint64(len(targets))]
			return nil
		},
	}
}

// run attacks and returns vegeta's own figures with what the process used meanwhile. Rate 0: as fast as its workers can.
func (p *plainVegeta) run(rate int, d time.Duration) (*vegeta.Metrics, cost, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(machine.Host{}.UsableCPUs())))
	before, err := machine.ProcessCPU(os.Getpid())
	if err != nil {
		return nil, cost{}, err
	}
	var m vegeta.Metrics
	for r := range p.attacker.Attack(p.targets, vegeta.Rate{Freq: rate, Per: time.Second}, d, "") {
		m.Add(r)
	}
	m.Close()
	after, err := machine.ProcessCPU(os.Getpid())
	if err != nil {
		return nil, cost{}, err
	}
	if m.Requests == 0 || m.Success < 0.99 {
		return nil, cost{}, fmt.Errorf("plain vegeta: %d requests, %.1f %% good, errors %v", m.Requests, m.Success*100, m.Errors)
	}
	return &m, cost{micros: (after - before).Seconds() * 1e6 / float64(m.Requests), rate: m.Throughput}, nil
}
