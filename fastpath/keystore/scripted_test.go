package keystore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"trent/fastpath/keystore"
)

const (
	cluster  = "cluster-2a34b5cdefg"
	endpoint = "https://xks.example.test"
	path     = "/kms/xks/v1"
)

func scripted(t *testing.T, c keystore.Config, clock func() time.Time) *keystore.Scripted {
	t.Helper()
	s, err := keystore.NewScripted(c, clock)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// name is what a call failed with, empty for success.
func name(t *testing.T, err error) string {
	t.Helper()
	var f *keystore.Failure
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &f):
		t.Fatal(err)
	}
	return f.Name
}

// Outcomes are played in turn, those with a number so often, and one without for ever.
func TestOutcomesInTurn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcomes []keystore.Outcome
		want     string
	}{
		{nil, ",,,"},
		{[]keystore.Outcome{{Error: "NETWORK_ERRORS", Times: 1}}, "NETWORK_ERRORS,,,"},
		{[]keystore.Outcome{{Times: 2}, {Error: "USER_NOT_FOUND", Times: 1}}, ",,USER_NOT_FOUND,"},
		{[]keystore.Outcome{{Times: 1}, {Error: "USER_NOT_FOUND"}, {Error: "NETWORK_ERRORS"}}, ",USER_NOT_FOUND,USER_NOT_FOUND,USER_NOT_FOUND"},
	} {
		s := scripted(t, keystore.Config{Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: map[keystore.Call][]keystore.Outcome{keystore.Connect: c.outcomes}}}}, nil)
		var got []string
		for i := range 4 {
			got = append(got, name(t, s.Connect(t.Context(), &keystore.Target{Cluster: cluster, Attempt: uint32(i)})))
		}
		if strings.Join(got, ",") != c.want {
			t.Errorf("%v, want %s", got, c.want)
		}
	}
}

// A delay counts from when the connection began, and its outcome is taken once.
func TestDelays(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s := scripted(t, keystore.Config{Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: map[keystore.Call][]keystore.Outcome{
		keystore.Connect: {{Error: "USER_LOCKED_OUT", Delay: time.Minute, Times: 1}},
	}}}}, func() time.Time { return now })
	first := &keystore.Target{Cluster: cluster, Store: "cks-1", Attempt: 1, Began: now}
	for range 2 {
		var later *keystore.Later
		if err := s.Connect(t.Context(), first); !errors.As(err, &later) || !later.At.Equal(now.Add(time.Minute)) {
			t.Errorf("%v", err)
		}
	}
	if err := s.Connect(t.Context(), &keystore.Target{Cluster: cluster, Store: "cks-2", Attempt: 1, Began: now}); err != nil {
		t.Errorf("another store: %v", err)
	}
	now = now.Add(time.Minute)
	if got := name(t, s.Connect(t.Context(), first)); got != "USER_LOCKED_OUT" {
		t.Errorf("got %s", got)
	}
}

// What is not declared does not exist or cannot be reached.
func TestUndeclared(t *testing.T) {
	t.Parallel()
	s := scripted(t, keystore.Config{
		Clusters: []keystore.ClusterConfig{{ID: cluster, Account: "111111111111", Region: "us-east-1"}},
		Proxies:  []keystore.ProxyConfig{{Endpoint: endpoint, Path: path}},
	}, nil)
	ctx := t.Context()
	hsm := func(account, region, id string) *keystore.Target {
		return &keystore.Target{Account: account, Region: region, Cluster: id}
	}
	xks := func(e, p string, vpc bool) *keystore.Target {
		return &keystore.Target{Endpoint: e, Path: p, VPC: vpc, Service: "s"}
	}
	for _, c := range []struct{ what, got, want string }{
		{"declared", name(t, s.Check(ctx, keystore.Create, hsm("111111111111", "us-east-1", cluster), "")), ""},
		{"another account", name(t, s.Check(ctx, keystore.Create, hsm("222222222222", "us-east-1", cluster), "")), "CloudHsmClusterNotFoundException"},
		{"another Region", name(t, s.Check(ctx, keystore.Create, hsm("111111111111", "eu-west-1", cluster), "")), "CloudHsmClusterNotFoundException"},
		{"connect", name(t, s.Connect(ctx, hsm("222222222222", "us-east-1", cluster))), "CLUSTER_NOT_FOUND"},
		{"use", name(t, s.Use(ctx, keystore.Encrypt, hsm("222222222222", "us-east-1", cluster), "")), "NETWORK_ERRORS"},
		{"proxy", name(t, s.Check(ctx, keystore.Create, xks(endpoint, path, false), "")), ""},
		{"endpoint", name(t, s.Check(ctx, keystore.Create, xks(endpoint+"x", path, false), "")), keystore.NoConnection},
		{"path", name(t, s.Check(ctx, keystore.Create, xks(endpoint, "/a"+path, false), "")), "InvalidUriPathException"},
		{"service", name(t, s.Check(ctx, keystore.Create, xks(endpoint, path, true), "")), "XksProxyVpcEndpointServiceNotFoundException"},
		{"external key", name(t, s.Use(ctx, keystore.Decrypt, xks(endpoint, path, false), "k")), "KeyNotFoundException"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	if err := s.Disconnect(ctx, hsm("222222222222", "us-east-1", cluster)); err != nil {
		t.Errorf("disconnecting from what is gone: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	outcomes := func(call keystore.Call, o keystore.Outcome) map[keystore.Call][]keystore.Outcome {
		return map[keystore.Call][]keystore.Outcome{call: {{}, o}}
	}
	hsms := 29
	for path, c := range map[string]keystore.Config{
		"clusters[0].id":                           {Clusters: []keystore.ClusterConfig{{ID: "cluster-1"}}},
		"clusters[1].id":                           {Clusters: []keystore.ClusterConfig{{ID: cluster}, {ID: cluster}}},
		"clusters[0].hsms":                         {Clusters: []keystore.ClusterConfig{{ID: cluster, HSMs: &hsms}}},
		"clusters[0].outcomes.ping":                {Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: outcomes("ping", keystore.Outcome{})}}},
		"clusters[0].outcomes.connect[1].error":    {Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: outcomes(keystore.Connect, keystore.Outcome{Error: "XKS_PROXY_TIMED_OUT"})}}},
		"clusters[0].outcomes.disconnect[1].error": {Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: outcomes(keystore.Disconnect, keystore.Outcome{Error: "INTERNAL_ERROR"})}}},
		"clusters[0].outcomes.encrypt[1].delay":    {Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: outcomes(keystore.Encrypt, keystore.Outcome{Delay: 1})}}},
		"clusters[0].outcomes.connect[1].times":    {Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: outcomes(keystore.Connect, keystore.Outcome{Times: -1})}}},
		"clusters[0].outcomes.connect[1].delay":    {Clusters: []keystore.ClusterConfig{{ID: cluster, Outcomes: outcomes(keystore.Connect, keystore.Outcome{Delay: -1})}}},
		"proxies[0].endpoint":                      {Proxies: []keystore.ProxyConfig{{Endpoint: "http://x", Path: path}}},
		"proxies[0].path":                          {Proxies: []keystore.ProxyConfig{{Endpoint: endpoint, Path: "/kms"}}},
		"proxies[1].path":                          {Proxies: []keystore.ProxyConfig{{Endpoint: endpoint, Path: "/kms/xks/v1"}, {Endpoint: endpoint, Path: "/kms/xks/v1"}}},
		"proxies[0].keys[0]":                       {Proxies: []keystore.ProxyConfig{{Endpoint: endpoint, Path: "/kms/xks/v1", Keys: []keystore.ExternalKeyConfig{{}}}}},
		"proxies[0].outcomes.random":               {Proxies: []keystore.ProxyConfig{{Endpoint: endpoint, Path: "/kms/xks/v1", Outcomes: outcomes(keystore.Random, keystore.Outcome{})}}},
	} {
		var wrong *keystore.ConfigError
		if err := c.Check(); !errors.As(err, &wrong) || wrong.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	c := keystore.ClusterConfig{ID: cluster, Password: "hidden-value"}
	for _, format := range []string{"%v", "%+v", "%s", "%#v"} {
		if text := fmt.Sprintf(format, c); strings.Contains(text, "hidden-value") {
			t.Errorf("%s: %s", format, text)
		}
	}
	s := scripted(t, keystore.Config{Clusters: []keystore.ClusterConfig{c}}, nil)
	if text := fmt.Sprintf("%+v", s); strings.Contains(text, "hidden-value") {
		t.Errorf("%s", text)
	}
}
