// Command trentbench prints and records the figures that Trent claims, each against a floor or a peer
// measured in the same run. See package bench.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"trent/bench"
	"trent/loadgen/compare"
)

func main() {
	var err error
	switch os.Getenv(bench.ChildVariable) {
	case "floor":
		err = floorChild()
	case "calibrate":
		err = calibrationChild()
	case "sign":
		err = bench.SignChild(os.Getenv(bench.ReadyVariable))
	case "hsm":
		err = bench.CoreChild(os.Getenv(bench.ReadyVariable))
	default:
		err = parent()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "trentbench:", err)
		os.Exit(1)
	}
}

func parent() error {
	binary := flag.String("trent", "bin/trent", "the server under measurement")
	out := flag.String("out", "out/bench", "directory for the record")
	only := flag.String("only", "core,sign,link,fleet,rotation,failover,costs,records,harness,handshake,calibrate,keys", "parts to measure; recorder too, which takes as long as -soak")
	pairs := flag.Int("pairs", 12, "pairs of rounds for each ratio")
	soak := flag.Duration("soak", 10*time.Minute, "length of the run in real time whose memory is watched (recorder)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "trent-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := filepath.Abs(*binary)
	if err != nil {
		return err
	}
	r := bench.NewReport(os.Stderr)
	for _, part := range strings.Split(*only, ",") {
		switch part {
		case "core":
			err = bench.Core(ctx, r, dir)
		case "sign":
			err = bench.Signatures(r, dir)
		case "link":
			err = bench.Link(ctx, r, path, *pairs)
		case "fleet":
			err = bench.Fleet(ctx, r, path, *pairs)
		case "rotation":
			err = bench.Rotation(ctx, r, path, *pairs)
		case "failover":
			err = bench.Failover(ctx, r, path, *pairs)
		case "costs":
			err = bench.Costs(ctx, r, path, dir, *pairs)
		case "records":
			err = bench.Records(ctx, r, path, dir, *pairs)
		case "harness":
			err = bench.Harness(ctx, r, path, dir, *pairs)
		case "handshake":
			err = bench.Handshakes(ctx, r, path, dir, *pairs)
		case "calibrate":
			err = bench.Calibrate(ctx, r, dir)
		case "recorder":
			err = bench.Recorder(ctx, r, dir, *soak)
		case "keys":
			err = bench.Keys(ctx, r, path, dir, *pairs)
		default:
			err = fmt.Errorf("unknown part (core, sign, link, fleet, rotation, failover, costs, records, harness, handshake, keys, calibrate, recorder)")
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", part, err)
			break
		}
	}
	r.Print(os.Stdout)
	if name, writeErr := r.Write(*out); writeErr == nil {
		fmt.Println("recorded in", name)
	} else if err == nil {
		err = writeErr
	}
	return err
}

// floorChild serves the echo floor until it is ended.
func floorChild() error {
	size, err := strconv.Atoi(os.Getenv(bench.SizeVariable))
	if err != nil {
		return err
	}
	return serveChild("", func(l net.Listener, cert tls.Certificate) error { return bench.ServeFloor(l, cert, size) })
}

// calibrationChild serves known delays until it is ended.
func calibrationChild() error {
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return serveChild("http://"+control.Addr().String()+"/", func(l net.Listener, cert tls.Certificate) error {
		return bench.Calibration(l, control, cert)
	})
}

// serveChild listens, says so in the ready file, and serves.
func serveChild(control string, serve func(net.Listener, tls.Certificate) error) error {
	cert, pem, err := compare.FloorCertificate()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	readyFile := os.Getenv(bench.ReadyVariable)
	ca := readyFile + ".pem"
	if err := os.WriteFile(ca, pem, 0o600); err != nil {
		return err
	}
	b, err := json.Marshal(bench.Ready{Endpoint: "https://" + l.Addr().String(), CA: ca, Metrics: control, PID: os.Getpid()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(readyFile+".new", b, 0o600); err != nil {
		return err
	}
	if err := os.Rename(readyFile+".new", readyFile); err != nil {
		return err
	}
	return serve(l, cert)
}
