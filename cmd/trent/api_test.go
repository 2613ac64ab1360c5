package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/rogpeppe/go-internal/testscript"

	"trent/fastpath/servertest"
)

// callAPI lets a script use the API of the server whose ready file is $D/ready.json and whose data directory is $D/kms:
//
//	api create-key            sets $KEY
//	api encrypt KEY [CODE]    expects success, or that error
//	api state KEY STATE       waits for the key's state
//	api create-store CLUSTER  sets $STORE
//	api connect STORE STATE   connects a custom key store and waits for its state
//	api store STORE STATE     waits for its state
func callAPI(ts *testscript.TestScript, _ bool, args []string) {
	ctx, client := context.Background(), scriptClient(ts)
	switch args[0] {
	case "create-key":
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
		ts.Check(err)
		ts.Setenv("KEY", *out.KeyMetadata.KeyId)
	case "encrypt":
		_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &args[1], Plaintext: []byte("x")})
		var api smithy.APIError
		switch {
		case len(args) == 2:
			ts.Check(err)
		case !errors.As(err, &api) || api.ErrorCode() != args[2]:
			ts.Fatalf("Encrypt: %v, want %s", err, args[2])
		}
	case "state":
		waitFor(ts, args[2], func() string {
			out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &args[1]})
			ts.Check(err)
			return string(out.KeyMetadata.KeyState)
		})
	case "create-store":
		out, err := client.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{
			CustomKeyStoreName: aws.String("script"), CloudHsmClusterId: &args[1], KeyStorePassword: aws.String("kmsPswd"), TrustAnchorCertificate: aws.String("x"),
		})
		ts.Check(err)
		ts.Setenv("STORE", *out.CustomKeyStoreId)
	case "connect", "store":
		if args[0] == "connect" {
			_, err := client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &args[1]})
			ts.Check(err)
		}
		waitFor(ts, args[2], func() string {
			out, err := client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: &args[1]})
			ts.Check(err)
			return string(out.CustomKeyStores[0].ConnectionState)
		})
	default:
		ts.Fatalf("api has no verb %q", args[0])
	}
}

func waitFor(ts *testscript.TestScript, want string, state func() string) {
	got := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = state(); got == want {
			return
		}
	}
	ts.Fatalf("state %s, want %s", got, want)
}

func scriptClient(ts *testscript.TestScript) *kms.Client {
	var ready struct{ Endpoint string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(ts.Getenv("D")+"/ready.json")), &ready))
	e := servertest.Endpoint{URL: ready.Endpoint, Region: "us-east-1", AccessKeyID: "test", Secret: "test", RootCAs: x509.NewCertPool()}
	if !e.RootCAs.AppendCertsFromPEM([]byte(ts.ReadFile(ts.Getenv("D") + "/kms/tls/ca.pem"))) {
		ts.Fatalf("the CA has no certificate")
	}
	ts.Defer(e.CloseIdle)
	return e.KMS()
}
