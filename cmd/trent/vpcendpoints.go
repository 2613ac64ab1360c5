package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"trent/fastpath"
	"trent/fastpath/authz"
)

// endpointSettings is one VPC endpoint of the config file.
type endpointSettings struct {
	ID              string     `yaml:"id"`
	VPC             string     `yaml:"vpc"`
	Region          string     `yaml:"region"`  // empty: us-east-1
	Account         string     `yaml:"account"` // empty: --account
	Listen          string     `yaml:"listen"`
	Source          string     `yaml:"source"` // address range of its clients; empty: any
	PrivateDNSNames []string   `yaml:"private_dns_names"`
	Policy          policyText `yaml:"policy"` // empty: allows everything
}

// policyText is a policy document in the config file: a mapping, JSON text, or "file:" and a path.
type policyText []byte

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (p *policyText) UnmarshalYAML(text []byte) error {
	var plain string
	if yaml.Unmarshal(text, &plain) == nil && plain != "" && !strings.HasPrefix(plain, "{") {
		path, ok := strings.CutPrefix(plain, "file:")
		if !ok {
			return fmt.Errorf("a policy is a mapping, JSON text, or file:PATH")
		}
		document, err := os.ReadFile(path)
		*p = document
		return err
	}
	if strings.HasPrefix(plain, "{") {
		*p = policyText(plain)
		return nil
	}
	document, err := yaml.YAMLToJSON(text)
	*p = document
	return err
}

// endpoint checks one setting.
func (e *endpointSettings) endpoint(account string) (*fastpath.Endpoint, error) {
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
	if len(e.Policy) > 0 {
		parsed, err := authz.Parse(authz.KindEndpoint, e.Policy)
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		made.Policy = authz.Compile(authz.KindEndpoint, e.Policy, parsed)
	}
	return fastpath.NewEndpoint(made)
}

// vpcEndpoints are all endpoints of the settings. An error is a *placedError.
func (s *settings) vpcEndpoints() ([]*fastpath.Endpoint, error) {
	all := make([]*fastpath.Endpoint, len(s.VPCEndpoints))
	seen := map[string]bool{}
	for i := range s.VPCEndpoints {
		e, err := s.VPCEndpoints[i].endpoint(s.Account)
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
