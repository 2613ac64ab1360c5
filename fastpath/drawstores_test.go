package fastpath_test

import (
	"fmt"
	"time"

	"trent/fastpath/keystore"
)

// What lies behind the custom key stores of random requests, and what they are entered with.
const (
	drawnClusters = 6
	drawnProxies  = 4
	drawnSecret   = "0123456789012345678901234567890123456789abc"
)

// behindStores declares clusters and proxies, of which some fail now and then.
func behindStores() *keystore.Config {
	c := &keystore.Config{}
	for i := range drawnClusters {
		c.Clusters = append(c.Clusters, keystore.ClusterConfig{ID: clusterNumber(i), Outcomes: map[keystore.Call][]keystore.Outcome{}})
	}
	for i := range drawnProxies {
		c.Proxies = append(c.Proxies, keystore.ProxyConfig{Endpoint: proxyNumber(i), Path: "/kms/xks/v1", Keys: []keystore.ExternalKeyConfig{{ID: "one"}, {ID: "two"}}})
	}
	c.Clusters[1].Outcomes[keystore.Connect] = []keystore.Outcome{{Error: "NETWORK_ERRORS", Times: 2}}
	c.Clusters[2].Outcomes[keystore.Connect] = []keystore.Outcome{{Error: "CloudHsmClusterNotActiveException", Times: 1}}
	c.Proxies[1].Outcomes = map[keystore.Call][]keystore.Outcome{keystore.Update: {{Error: "AccessDeniedException", Times: 1}}}
	return c
}

func clusterNumber(i int) string { return fmt.Sprintf("cluster-abcdefghij%c", 'a'+i) }
func proxyNumber(i int) string   { return fmt.Sprintf("https://xks%d.example.test", i) }

// cloudHSMStore is a request for a custom key store over a cluster.
func cloudHSMStore(name string, cluster int) map[string]any {
	return map[string]any{
		"CustomKeyStoreName": name, "CloudHsmClusterId": clusterNumber(cluster),
		"KeyStorePassword": "kmsPswd-plain", "TrustAnchorCertificate": "anchor",
	}
}

// externalStore is a request for a custom key store over a proxy.
func externalStore(name string, proxy int) map[string]any {
	return map[string]any{
		"CustomKeyStoreName": name, "CustomKeyStoreType": "EXTERNAL_KEY_STORE", "XksProxyConnectivity": "PUBLIC_ENDPOINT",
		"XksProxyUriEndpoint": proxyNumber(proxy), "XksProxyUriPath": "/kms/xks/v1",
		"XksProxyAuthenticationCredential": map[string]any{"AccessKeyId": "ABCDEFGHIJKLMNOPQRST", "RawSecretAccessKey": drawnSecret},
	}
}

// makeStores makes a custom key store of each type, with a key in each. They keep their keys, and are never deleted
// therefore; others come and go.
func (x *subject) makeStores() {
	for _, in := range []map[string]any{cloudHSMStore("lasting", 0), externalStore("lasting too", 0)} {
		answer, status := x.call("CreateCustomKeyStore", in)
		if status != 200 {
			x.t.Fatal(answer)
		}
		x.lasting = append(x.lasting, answer["CustomKeyStoreId"].(string))
		x.call("ConnectCustomKeyStore", map[string]any{"CustomKeyStoreId": x.lasting[len(x.lasting)-1]})
		x.settle()
		in := x.keyInStore(len(x.lasting) - 1)
		if in["XksKeyId"] != nil {
			in["XksKeyId"] = "one"
		}
		if x.makeKey(in) == nil {
			x.t.Fatalf("no key in the custom key store of %v", in)
		}
	}
}

// keyInStore is a request for a key in one of the lasting custom key stores.
func (x *subject) keyInStore(i int) map[string]any {
	in := map[string]any{"CustomKeyStoreId": x.lasting[i], "Origin": "AWS_CLOUDHSM"}
	if i == 1 {
		in["Origin"], in["XksKeyId"] = "EXTERNAL_KEY_STORE", oneOf(x.draws, "one", "two", "three")
	}
	return in
}

// settle waits for the connections that are being made: what a request is answered shall not hang on when that ends.
func (x *subject) settle() {
	for deadline := time.Now().Add(slowest); time.Now().Before(deadline); {
		moving := false
		for _, s := range x.list("DescribeCustomKeyStores", "CustomKeyStores", map[string]any{}) {
			moving = moving || s["ConnectionState"] == "CONNECTING" || s["ConnectionState"] == "DISCONNECTING"
		}
		if !moving {
			return
		}
		time.Sleep(time.Millisecond)
	}
	x.t.Error("a custom key store is being connected and never is")
}

// makeStorable fills in what a request about custom key stores needs.
func (x *subject) makeStorable(operation string, fields map[string]any) {
	switch operation {
	case "CreateCustomKeyStore":
		clear(fields)
		name := fmt.Sprintf("store %d", x.IntN(20))
		if i := x.IntN(drawnClusters + drawnProxies); i < drawnClusters {
			fill(fields, cloudHSMStore(name, i))
		} else {
			fill(fields, externalStore(name, i-drawnClusters))
		}
	case "CreateKey":
		if len(x.keys) <= manyKeys && x.percent(15) {
			clear(fields)
			fill(fields, x.keyInStore(x.IntN(len(x.lasting))))
		}
	case "ConnectCustomKeyStore", "DisconnectCustomKeyStore":
		if x.percent(20) {
			fields["CustomKeyStoreId"] = oneOf(x.draws, x.lasting...)
		}
	}
}

func fill(fields, with map[string]any) {
	for name, v := range with {
		fields[name] = v
	}
}

// checkStores looks at all custom key stores.
func (x *subject) checkStores() {
	x.t.Helper()
	x.settle()
	names := map[string]bool{}
	for _, s := range x.list("DescribeCustomKeyStores", "CustomKeyStores", map[string]any{"Limit": 3}) {
		_, failed := s["ConnectionErrorCode"]
		_, external := s["XksProxyConfiguration"]
		_, cluster := s["CloudHsmClusterId"]
		name := s["CustomKeyStoreName"].(string)
		if failed != (s["ConnectionState"] == "FAILED") || external == cluster || names[name] {
			x.t.Errorf("custom key store %v", s)
		}
		names[name] = true
	}
	if len(names) < len(x.lasting) || len(names) > 10 {
		x.t.Errorf("%d custom key stores", len(names))
	}
}
