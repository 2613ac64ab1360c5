package main

import (
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd runs an etcd until the end of the script and puts its address, HOST:PORT, into a variable: etcd NAME.
func startEtcd(ts *testscript.TestScript, _ bool, args []string) {
	config := embed.NewConfig()
	config.Dir = filepath.Join(ts.Getenv("D"), "etcd")
	config.LogLevel, config.LogOutputs = "fatal", []string{os.DevNull}
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = loopback, loopback
	config.ListenPeerUrls, config.AdvertisePeerUrls = loopback, loopback
	config.InitialCluster = config.Name + "=http://127.0.0.1:0"
	config.TickMs, config.ElectionMs = 10, 100
	config.UnsafeNoFsync = true
	server, err := embed.StartEtcd(config)
	ts.Check(err)
	ts.Defer(server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		ts.Fatalf("etcd does not start")
	}
	ts.Setenv(args[0], server.Clients[0].Addr().String())
}
