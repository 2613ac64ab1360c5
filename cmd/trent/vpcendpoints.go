package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"trent/fastpath"
	"trent/fastpath/authz"
	"trent/fastpath/identity"
)

// endpointSettings is one VPC endpoint of the config file.
type endpointSettings struct {
	ID              string             `yaml:"id"`
	VPC             string             `yaml:"vpc"`
	Region          string             `yaml:"region"`  // empty: us-east-1
	Account         string             `yaml:"account"` // empty: --account
	Listen          string             `yaml:"listen"`
	Source          string             `yaml:"source"` // address range of its clients; empty: any
	PrivateDNSNames []string           `yaml:"private_dns_names"`
	Policy          *identity.Document `yaml:"policy"` // none: everything is allowed
}

// endpoint checks one setting.
func (e *endpointSettings) endpoint(account, dir string) (*fastpath.Endpoint, error) {
	if e.Account != "" {
		account = e.Account
	}
	region := e.Region
	if region == "" {
		region = "us-east-1"
	}
	made := fastpath.Endpoint{Endpoint: authz.Endpoint{ID: e.ID, VPC: e.VPC, Account: account}, Region: region}
	if e.Source != "" {
		var err error
		if made.Source, err = netip.ParsePrefix(e.Source); err != nil {
			return nil, fmt.Errorf("source: a range of addresses is written 10.0.0.0/16, not %q", e.Source)
		}
	}
	if e.Listen == "" {
		return nil, fmt.Errorf("listen: an address is wanted, such as 127.0.0.1:9445")
	}
	if p := e.Policy; p != nil {
		text := []byte(p.Text)
		if p.File != "" {
			path := p.File
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			var err error
			if text, err = os.ReadFile(path); err != nil {
				return nil, fmt.Errorf("policy: %w", err)
			}
		}
		parsed, err := authz.Parse(authz.KindEndpoint, text)
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		made.Policy = authz.Compile(authz.KindEndpoint, text, parsed)
	}
	return fastpath.NewEndpoint(made)
}

// vpcEndpoints are all endpoints of the settings. An error is a *placedError.
func (s *settings) vpcEndpoints() ([]*fastpath.Endpoint, error) {
	all := make([]*fastpath.Endpoint, len(s.VPCEndpoints))
	seen := map[string]bool{}
	for i := range s.VPCEndpoints {
		e, err := s.VPCEndpoints[i].endpoint(s.Account, s.configDir)
		if err != nil {
			member, text, ok := strings.Cut(err.Error(), ": ")
			if !ok {
				member, text = "id", err.Error()
			}
			return nil, &placedError{fmt.Sprintf("vpc_endpoints[%d].%s", i, member), text}
		}
		if seen[e.ID] {
			return nil, &placedError{fmt.Sprintf("vpc_endpoints[%d].id", i), e.ID + " is given twice"}
		}
		seen[e.ID] = true
		all[i] = e
	}
	return all, nil
}

// privateNames are the names that the certificate must cover for the endpoints.
func (s *settings) privateNames() []string {
	var names []string
	for i := range s.VPCEndpoints {
		names = append(names, s.VPCEndpoints[i].PrivateDNSNames...)
	}
	return names
}

// vpcDoor is a VPC endpoint with its listener.
type vpcDoor struct {
	endpoint *fastpath.Endpoint
	listener net.Listener
}

// listenVPC opens the doors of the VPC endpoints.
func (r *running) listenVPC(s *settings) error {
	endpoints, err := s.vpcEndpoints()
	if err != nil {
		return usageError(err, "correct vpc_endpoints in the config file")
	}
	for i, e := range endpoints {
		l, err := net.Listen("tcp", s.VPCEndpoints[i].Listen)
		if err != nil {
			return failure(fmt.Errorf("listening for VPC endpoint %s: %w", e.ID, err), "give it another address in the config file")
		}
		r.vpc = append(r.vpc, vpcDoor{e, l})
		r.ready.VPCEndpoints = append(r.ready.VPCEndpoints, readyEndpoint{
			ID: e.ID, VPC: e.VPC, Region: e.Region, Endpoint: "https://" + l.Addr().String(), DNSName: e.DNSName(),
		})
	}
	return nil
}

// readyEndpoint is how to reach a VPC endpoint.
type readyEndpoint struct {
	ID       string `json:"id"`
	VPC      string `json:"vpc"`
	Region   string `json:"region"`
	Endpoint string `json:"endpoint"`
	DNSName  string `json:"dnsName"`
}
