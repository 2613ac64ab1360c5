package main

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// callKMS calls an operation of the server that $D/ready.json announces: [!] kms OPERATION BODY [NAME=MEMBER.MEMBER]...
// THROUGH=vpc goes through its first VPC endpoint. $AS is the access key in place of the built-in one, as ID:SECRET. The
// answer is left in answer.json, its members in the environment, its request id in $REQUEST.
func callKMS(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: kms OPERATION BODY [NAME=MEMBER.MEMBER]...")
	}
	var info readyInfo
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(ts.Getenv("D")+"/ready.json")), &info))
	e := servertest.Endpoint{URL: info.Endpoint, Region: info.Region, AccessKeyID: identity.BuiltInAccessKeyID, Secret: identity.BuiltInSecret}
	if ts.Getenv("THROUGH") == "vpc" {
		e.URL = info.VPCEndpoints[0].Endpoint
	}
	if id, secret, ok := strings.Cut(ts.Getenv("AS"), ":"); ok {
		e.AccessKeyID, e.Secret = id, secret
	}
	e.RootCAs = x509.NewCertPool()
	e.RootCAs.AppendCertsFromPEM([]byte(ts.ReadFile(info.CA)))
	defer e.CloseIdle()
	a, err := e.Send(servertest.For(args[0], args[1]))
	ts.Check(err)
	ts.Logf("%d %s", a.Status, a.Body)
	ts.Setenv("REQUEST", a.Header.Get("x-amzn-RequestId"))
	ts.Check(os.WriteFile(ts.MkAbs("answer.json"), []byte(a.Body+"\n"), 0o600))
	if neg == (a.Status == 200) {
		ts.Fatalf("%s answered %d", args[0], a.Status)
	}
	for _, want := range args[2:] {
		name, path, _ := strings.Cut(want, "=")
		var v any
		ts.Check(json.Unmarshal([]byte(a.Body), &v))
		for _, member := range strings.Split(path, ".") {
			object, _ := v.(map[string]any)
			v = object[member]
		}
		text, ok := v.(string)
		if !ok {
			ts.Fatalf("the answer has no text %s", path)
		}
		ts.Setenv(name, text)
	}
}
