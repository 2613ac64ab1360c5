package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// metricsURL is where the target's own metrics are: as the flag says, else what a local server announced if it is the
// target; "" for none. Another machine's are asked only where the load may go there too.
func (f *loadFlags) metricsURL(e *environment, endpoint string) (string, error) {
	switch f.metrics {
	case "none":
		return "", nil
	case "":
		return localMetrics(e, endpoint), nil
	}
	u, err := url.Parse(f.metrics)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", usageError(fmt.Errorf("--metrics %q is not a URL", f.metrics), "for example --metrics http://127.0.0.1:9090/metrics, or --metrics none")
	}
	if !f.allowRemote && !onThisMachine(u) {
		return "", usageError(errors.New("--metrics is not on this machine"), "if you mean it, give --allow-remote")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	return u.String(), nil
}

// localMetrics looks into what a server on this machine left in its data directory: the default one, and that of the CA
// bundle which `trent env` exports.
func localMetrics(e *environment, endpoint string) string {
	dirs := []string{defaultDataDir(e.Getenv)}
	if bundle := e.Getenv("AWS_CA_BUNDLE"); bundle != "" {
		dirs = append([]string{filepath.Dir(bundle)}, dirs...)
	}
	for _, dir := range dirs {
		info, err := readReady(dir)
		if err == nil && info.Metrics != "" && sameEndpoint(info.Endpoint, endpoint) {
			return strings.TrimRight(info.Metrics, "/") + "/metrics"
		}
	}
	return ""
}

// sameEndpoint compares host and port; localhost is 127.0.0.1.
func sameEndpoint(a, b string) bool {
	hostPort := func(text string) string {
		u, err := url.Parse(text)
		if err != nil {
			return text
		}
		host, port := u.Hostname(), u.Port()
		if host == "localhost" {
			host = "127.0.0.1"
		}
		if port == "" {
			port = "443"
		}
		return host + ":" + port
	}
	return hostPort(a) == hostPort(b)
}

func onThisMachine(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}
