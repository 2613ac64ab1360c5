package conformance_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/keystore"
	"trent/fastpath/servertest"
)

func always(call keystore.Call, name string) map[keystore.Call][]keystore.Outcome {
	return map[keystore.Call][]keystore.Outcome{call: {{Error: name}}}
}

const (
	repeatedly      = "If you see this error repeatedly, report it to your external key store proxy administrator."
	cannotInterpret = "AWS KMS cannot interpret the response from the external key store proxy. " + repeatedly
	cannotReach     = "AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. " + repeatedly
	notAuthentic    = "The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the XKS proxy authentication credentials for your external key store and update if necessary."
	wrongPath       = "The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key store and update if necessary."
	tooLate         = "AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. " + repeatedly
	hsmInvalid      = "The CloudHSM cluster has too few active HSMs in different Availability Zones for this operation."
)

func TestCreateCloudHSMKeyStoreErrors(t *testing.T) {
	t.Parallel()
	config := twoKinds()
	config.Clusters = append(config.Clusters,
		keystore.ClusterConfig{ID: "cluster-inactiveaaaa", Active: aws.Bool(false)},
		keystore.ClusterConfig{ID: "cluster-singleaaaaaa", HSMs: aws.Int(1)},
		keystore.ClusterConfig{ID: "cluster-elsewhereaaa", Account: otherAccount})
	s := startStores(t, servertest.Options{KeyStores: config})
	s.create(t, hsmStore("taken"))
	for name, c := range map[string]struct {
		change        func(in *kms.CreateCustomKeyStoreInput)
		code, message string
	}{
		"name":           {func(in *kms.CreateCustomKeyStoreInput) { in.CustomKeyStoreName = aws.String("taken") }, "CustomKeyStoreNameInUseException", "A custom key store of the name taken already exists."},
		"cluster in use": {func(in *kms.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = aws.String(clusterID) }, "CloudHsmClusterInUseException", "The CloudHSM cluster, or one that shares a backup history with it, is associated with another custom key store."},
		"sibling in use": {func(in *kms.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = aws.String(siblingID) }, "CloudHsmClusterInUseException", "The CloudHSM cluster, or one that shares a backup history with it, is associated with another custom key store."},
		"unknown":        {func(in *kms.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = aws.String("cluster-nonesuchaaaa") }, "CloudHsmClusterNotFoundException", "The CloudHSM cluster cannot be found."},
		"another's":      {func(in *kms.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = aws.String("cluster-elsewhereaaa") }, "CloudHsmClusterNotFoundException", "The CloudHSM cluster cannot be found."},
		"inactive":       {func(in *kms.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = aws.String("cluster-inactiveaaaa") }, "CloudHsmClusterNotActiveException", "The CloudHSM cluster is not active."},
		"one HSM":        {func(in *kms.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = aws.String("cluster-singleaaaaaa") }, "CloudHsmClusterInvalidConfigurationException", hsmInvalid},
		"no password":    {func(in *kms.CreateCustomKeyStoreInput) { in.KeyStorePassword = nil }, "ValidationException", "CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate are required for a custom key store of type AWS_CLOUDHSM."},
		"XKS member": {func(in *kms.CreateCustomKeyStoreInput) { in.XksProxyUriPath = aws.String(proxyPath) }, "ValidationException",
			"XksProxyConnectivity, XksProxyUriEndpoint, XksProxyUriPath and XksProxyAuthenticationCredential are only valid for a custom key store of type EXTERNAL_KEY_STORE."},
	} {
		in := hsmStore("new")
		in.CloudHsmClusterId = aws.String(strangerID)
		c.change(in)
		_, err := s.client.CreateCustomKeyStore(t.Context(), in)
		t.Log(name)
		wantError(t, err, c.code, c.message)
	}
	strict := startStores(t, servertest.Options{KeyStores: twoKinds()})
	in := hsmStore("new")
	in.TrustAnchorCertificate = aws.String("another")
	_, err := strict.client.CreateCustomKeyStore(t.Context(), in)
	wantError(t, err, "IncorrectTrustAnchorException", "The trust anchor certificate is not the one of the CloudHSM cluster.")
}

func TestCreateExternalKeyStoreErrors(t *testing.T) {
	t.Parallel()
	config := twoKinds()
	for _, name := range []string{"ValidationException", "InternalException", "ThrottlingException", keystore.NoTLS, "XksProxyInvalidResponseException", "XksProxyUriUnreachableException"} {
		config.Proxies = append(config.Proxies, keystore.ProxyConfig{Endpoint: proxyHost, Path: "/" + name + proxyPath, Outcomes: always(keystore.Create, name)})
	}
	config.Proxies = append(config.Proxies, keystore.ProxyConfig{Endpoint: proxyHost, Path: "/slow" + proxyPath,
		Outcomes: map[keystore.Call][]keystore.Outcome{keystore.Create: {{Delay: 2 * keystore.ProxyTimeout}}}})
	s := startStores(t, servertest.Options{KeyStores: config, Credentials: otherCredentials()})
	s.create(t, xksStore("taken"))
	vpc := xksStore("vpc")
	vpc.XksProxyConnectivity, vpc.XksProxyUriEndpoint = types.XksProxyConnectivityTypeVpcEndpointService, aws.String(privateHost)
	vpc.XksProxyVpcEndpointServiceName, vpc.XksProxyVpcEndpointServiceOwner = aws.String(vpcService), aws.String("123456789012")
	e := s.describe(t, s.create(t, vpc))
	if x := e.XksProxyConfiguration; x == nil || x.Connectivity != "VPC_ENDPOINT_SERVICE" || *x.AccessKeyId != accessKey || *x.UriEndpoint != privateHost ||
		*x.UriPath != proxyPath || *x.VpcEndpointServiceName != vpcService || *x.VpcEndpointServiceOwner != "123456789012" || e.CloudHsmClusterId != nil || e.TrustAnchorCertificate != nil {
		t.Errorf("entry %+v %+v", e, x)
	}
	type input = kms.CreateCustomKeyStoreInput
	path := func(p string) func(*input) { return func(in *input) { in.XksProxyUriPath = aws.String(p + proxyPath) } }
	for name, c := range map[string]struct {
		change        func(in *input)
		code, message string
	}{
		"name":         {func(in *input) { in.CustomKeyStoreName = aws.String("vpc") }, "CustomKeyStoreNameInUseException", "A custom key store of the name vpc already exists."},
		"URI":          {path(""), "XksProxyUriInUseException", "The proxy URI endpoint and path https://xks.example.test/kms/xks/v1 are used by another external key store."},
		"host of both": {func(in *input) { in.XksProxyUriEndpoint = aws.String(privateHost) }, "XksProxyUriEndpointInUseException", "The proxy URI endpoint https://private.example.test is used by another external key store with another connectivity."},
		"service": {func(in *input) {
			in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName, in.XksProxyUriEndpoint = "VPC_ENDPOINT_SERVICE", aws.String(vpcService), aws.String("https://third.example.test")
		}, "XksProxyVpcEndpointServiceInUseException", "The VPC endpoint service " + vpcService + " is used by another external key store."},
		"no such service": {func(in *input) {
			in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName, in.XksProxyUriEndpoint = "VPC_ENDPOINT_SERVICE", aws.String(vpcService+"0"), aws.String("https://third.example.test")
		}, "XksProxyVpcEndpointServiceNotFoundException", "The VPC endpoint service cannot be found, or AWS KMS is not one of its allowed principals."},
		"service missing": {func(in *input) { in.XksProxyConnectivity = "VPC_ENDPOINT_SERVICE" }, "ValidationException", "XksProxyVpcEndpointServiceName is required where XksProxyConnectivity is VPC_ENDPOINT_SERVICE."},
		"unreachable":     {func(in *input) { in.XksProxyUriEndpoint = aws.String("https://nowhere.example.test") }, "XksProxyUriUnreachableException", cannotReach},
		"wrong path":      {path("/undeclared"), "XksProxyInvalidConfigurationException", wrongPath},
		"malformed":       {path("/ValidationException"), "XksProxyInvalidResponseException", cannotInterpret},
		"by its own name": {path("/XksProxyInvalidResponseException"), "XksProxyInvalidResponseException", cannotInterpret},
		"unreachable too": {path("/XksProxyUriUnreachableException"), "XksProxyUriUnreachableException", "The external key store proxy did not respond to the request in the time allotted. Retry the request. " + repeatedly},
		"internal":        {path("/InternalException"), "XksProxyInvalidResponseException", "The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available."},
		"throttled":       {path("/ThrottlingException"), "XksProxyUriUnreachableException", "The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store."},
		"TLS":             {path("/NoTLS"), "XksProxyUriUnreachableException", "AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its certificate."},
		"slow":            {path("/slow"), "XksProxyUriUnreachableException", tooLate},
		"HSM member": {func(in *input) { in.KeyStorePassword = aws.String(password) }, "ValidationException",
			"CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate are only valid for a custom key store of type AWS_CLOUDHSM."},
		"credential": {func(in *input) { in.XksProxyAuthenticationCredential = nil }, "ValidationException",
			"XksProxyConnectivity, XksProxyUriEndpoint, XksProxyUriPath and XksProxyAuthenticationCredential are required for a custom key store of type EXTERNAL_KEY_STORE."},
	} {
		in := xksStore("new")
		in.XksProxyUriPath = aws.String("/other" + proxyPath)
		c.change(in)
		_, err := s.client.CreateCustomKeyStore(t.Context(), in)
		t.Log(name)
		wantError(t, err, c.code, c.message)
	}
	fresh := startStores(t, servertest.Options{KeyStores: twoKinds(), Credentials: otherCredentials()})
	in := xksStore("wrong secret")
	in.XksProxyAuthenticationCredential.RawSecretAccessKey = aws.String("x" + secretKey)
	_, err := fresh.client.CreateCustomKeyStore(t.Context(), in)
	wantError(t, err, "XksProxyIncorrectAuthenticationCredentialException", notAuthentic)
	china := fresh.KMS(func(o *kms.Options) { o.Region = "cn-north-1"; o.Credentials = credentialsOf(chinaKeyID) })
	_, err = china.CreateCustomKeyStore(t.Context(), xksStore("china"))
	wantError(t, err, "ValidationException", "CustomKeyStoreType EXTERNAL_KEY_STORE is not supported in this Region.")
}

// credentialsOf is another credential of the test's.
func credentialsOf(id string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: otherSecret}, nil
	})
}

func TestUpdateCustomKeyStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startStores(t, servertest.Options{KeyStores: twoKinds()})
	type input = kms.UpdateCustomKeyStoreInput
	update := func(id string, change func(*input)) error {
		in := &input{CustomKeyStoreId: &id}
		change(in)
		_, err := s.client.UpdateCustomKeyStore(ctx, in)
		return err
	}
	hsm, xks := s.create(t, hsmStore("hsm")), s.create(t, xksStore("xks"))
	for name, c := range map[string]struct {
		id            string
		change        func(*input)
		code, message string
	}{
		"nothing":         {hsm, func(*input) {}, "ValidationException", "You must specify at least one property of the custom key store to update."},
		"XKS of an HSM":   {hsm, func(in *input) { in.XksProxyUriPath = aws.String(proxyPath) }, "ValidationException", "XksProxyConnectivity, XksProxyUriEndpoint, XksProxyUriPath and XksProxyAuthenticationCredential are only valid for a custom key store of type EXTERNAL_KEY_STORE."},
		"HSM of an XKS":   {xks, func(in *input) { in.CloudHsmClusterId = aws.String(clusterID) }, "ValidationException", "KeyStorePassword and CloudHsmClusterId are only valid for a custom key store of type AWS_CLOUDHSM."},
		"name":            {xks, func(in *input) { in.NewCustomKeyStoreName = aws.String("hsm") }, "CustomKeyStoreNameInUseException", "A custom key store of the name hsm already exists."},
		"stranger":        {hsm, func(in *input) { in.CloudHsmClusterId = aws.String(strangerID) }, "CloudHsmClusterNotRelatedException", "The CloudHSM cluster does not share a backup history with the custom key store's original cluster."},
		"no such cluster": {hsm, func(in *input) { in.CloudHsmClusterId = aws.String("cluster-nonesuchaaaa") }, "CloudHsmClusterNotFoundException", "The CloudHSM cluster cannot be found."},
		"no such path":    {xks, func(in *input) { in.XksProxyUriPath = aws.String("/none" + proxyPath) }, "XksProxyInvalidConfigurationException", wrongPath},
		"no such service": {xks, func(in *input) {
			in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = "VPC_ENDPOINT_SERVICE", aws.String(vpcService+"0")
		}, "XksProxyVpcEndpointServiceNotFoundException", "The VPC endpoint service cannot be found, or AWS KMS is not one of its allowed principals."},
		"another DNS name": {xks, func(in *input) {
			in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = "VPC_ENDPOINT_SERVICE", aws.String(vpcService)
		}, "XksProxyVpcEndpointServiceInvalidConfigurationException", "The VPC endpoint service does not fulfill the requirements of an external key store."},
		"absent": {"cks-00000000000000000", func(in *input) { in.NewCustomKeyStoreName = aws.String("x") }, "CustomKeyStoreNotFoundException", "Custom key store cks-00000000000000000 does not exist."},
	} {
		t.Log(name)
		wantError(t, update(c.id, c.change), c.code, c.message)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	taken := hsmStore("stranger's")
	taken.CloudHsmClusterId = aws.String(strangerID)
	s.create(t, taken)
	wantError(t, update(hsm, func(in *input) { in.CloudHsmClusterId = aws.String(strangerID) }), "CloudHsmClusterNotRelatedException",
		"The CloudHSM cluster does not share a backup history with the custom key store's original cluster.")
	must(update(hsm, func(in *input) {
		in.CloudHsmClusterId, in.KeyStorePassword = aws.String(siblingID), aws.String("mistaken")
	}))
	if e := s.describe(t, hsm); *e.CloudHsmClusterId != siblingID {
		t.Errorf("entry %+v", e)
	}
	if _, err := s.client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &hsm}); err != nil {
		t.Fatal(err)
	}
	if e := s.until(t, hsm, "FAILED"); e.ConnectionErrorCode != "INVALID_CREDENTIALS" {
		t.Errorf("code %s", e.ConnectionErrorCode)
	}
	s.disconnect(t, hsm)
	must(update(hsm, func(in *input) { in.KeyStorePassword = aws.String(password) }))
	s.connect(t, hsm)

	s.connect(t, xks)
	must(update(xks, func(in *input) { // while connected
		in.XksProxyUriPath, in.NewCustomKeyStoreName = aws.String("/other"+proxyPath), aws.String("moved")
		in.XksProxyAuthenticationCredential = &types.XksProxyAuthenticationCredentialType{AccessKeyId: aws.String(accessKey + "2"), RawSecretAccessKey: aws.String("x" + secretKey)}
	}))
	e := s.describe(t, xks)
	if x := e.XksProxyConfiguration; *x.UriPath != "/other"+proxyPath || *x.AccessKeyId != accessKey+"2" || *e.CustomKeyStoreName != "moved" || e.ConnectionState != "CONNECTED" {
		t.Errorf("entry %+v %+v", e, x)
	}
	text := "The custom key store " + xks + " is in the connection state CONNECTED, which does not allow this operation."
	wantError(t, update(xks, func(in *input) { in.XksProxyUriEndpoint = aws.String(privateHost) }), "CustomKeyStoreInvalidStateException", text)
	wantError(t, update(xks, func(in *input) { in.XksProxyUriPath = aws.String(proxyPath) }), "XksProxyIncorrectAuthenticationCredentialException", notAuthentic)
	s.disconnect(t, xks)
	must(update(xks, func(in *input) {
		in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = "VPC_ENDPOINT_SERVICE", aws.String(vpcService)
		in.XksProxyUriEndpoint, in.XksProxyUriPath = aws.String(privateHost), aws.String(proxyPath)
	}))
	s.connect(t, xks)
}

// TestStoresAreTheAccounts: nobody else has, or sees, an account's custom key stores.
func TestStoresAreTheAccounts(t *testing.T) {
	t.Parallel()
	s := startStores(t, servertest.Options{KeyStores: twoKinds(), Credentials: otherCredentials()})
	id := s.create(t, hsmStore("mine"))
	for name, client := range map[string]*kms.Client{"account": s.As(otherKeyID, otherSecret), "Region": s.In("eu-west-1")} {
		_, err := client.DescribeCustomKeyStores(t.Context(), &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: &id})
		t.Log(name)
		wantError(t, err, "CustomKeyStoreNotFoundException", "Custom key store "+id+" does not exist.")
		if _, err := client.CreateCustomKeyStore(t.Context(), hsmStore("mine")); err != nil {
			t.Error(err) // its own names and clusters
		}
	}
}
