package fastpath_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"trent/fastpath"
	"trent/fastpath/authz"
	"trent/fastpath/servertest"
)

func endpoint(edit func(*fastpath.Endpoint)) fastpath.Endpoint {
	e := fastpath.Endpoint{
		Endpoint: authz.Endpoint{ID: "vpce-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", Account: "000000000000"},
		Region:   "us-east-1",
	}
	if edit != nil {
		edit(&e)
	}
	return e
}

// An endpoint is of one Region: requests signed for another one are refused, whatever the host is called.
func TestEndpointServesItsRegion(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Endpoints: []fastpath.Endpoint{endpoint(nil)}})
	if _, err := s.Through(0).KMS().ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Through(0).In("eu-west-1").ListKeys(t.Context(), &kms.ListKeysInput{})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "InvalidSignatureException" {
		t.Errorf("another Region through the endpoint: %v", err)
	}
	if _, err := s.In("eu-west-1").ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
		t.Errorf("another Region, not through the endpoint: %v", err)
	}
}

// Clients with addresses outside of the VPC are not let in.
func TestEndpointAdmitsItsVPCOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source, client string
		want           string // address within the VPC; empty: not let in
	}{
		{"", "192.0.2.7", "192.0.2.7"},
		{"10.1.0.0/16", "10.1.2.3", "10.1.2.3"},
		{"10.1.0.0/16", "::ffff:10.1.2.3", "10.1.2.3"},
		{"10.1.0.0/16", "10.2.2.3", ""},
		{"10.1.0.0/16", "127.0.0.5", "10.1.0.5"},
		{"10.1.0.0/16", "127.9.8.7", "10.1.8.7"},
		{"10.1.16.0/20", "127.0.255.7", "10.1.31.7"},
		{"10.1.0.4/32", "127.0.0.1", "10.1.0.4"},
		{"fd00:1::/64", "::1", "fd00:1::1"},
		{"fd00:1::/64", "127.0.0.5", "fd00:1::7f00:5"},
		{"fd00:1::/64", "2001:db8::1", ""},
	} {
		e := endpoint(nil)
		if c.source != "" {
			e.Source = netip.MustParsePrefix(c.source)
		}
		made, err := fastpath.NewEndpoint(e)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if address, ok := made.Place(netip.MustParseAddr(c.client)); ok {
			got = address.String()
		}
		if got != c.want {
			t.Errorf("%s in %q is %q, want %q", c.client, c.source, got, c.want)
		}
	}
}

func TestNewEndpointRefuses(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*fastpath.Endpoint){
		"id":      func(e *fastpath.Endpoint) { e.ID = "vpce-XYZ" },
		"vpc":     func(e *fastpath.Endpoint) { e.VPC = "" },
		"region":  func(e *fastpath.Endpoint) { e.Region = "mars-1" },
		"account": func(e *fastpath.Endpoint) { e.Account = "1" },
		"source":  func(e *fastpath.Endpoint) { e.Source = netip.MustParsePrefix("10.1.2.3/16") },
	} {
		if _, err := fastpath.NewEndpoint(endpoint(edit)); err == nil {
			t.Errorf("an endpoint with a wrong %s is taken", name)
		}
	}
}
