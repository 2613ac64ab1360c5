package fastpath

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"

	"trent/fastpath/authz"
)

// Endpoint is a VPC interface endpoint: a listener of its own, whose requests come from inside a VPC (AWS PrivateLink;
// AWS KMS Developer Guide, "Connecting to AWS KMS through a VPC endpoint"). Immutable once it serves.
type Endpoint struct {
	authz.Endpoint
	Region string // requests are for this Region only
	// Source are the addresses that clients in the VPC have. Others are not let in. Loopback clients, which have no address
	// of a VPC, get one: the first bits of Source, then the last bits of their own, so that 127.0.0.5 is 10.1.0.5 in
	// 10.1.0.0/16 (chosen). The zero value lets everybody in, with the address that they have.
	Source netip.Prefix
}

var (
	endpointID = regexp.MustCompile(`^vpce-[0-9a-f]{8,17}$`)
	vpcID      = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
)

// NewEndpoint checks and completes an endpoint of a Region that is served. Errors say which member is wrong.
func NewEndpoint(e Endpoint) (*Endpoint, error) {
	partition, served := partitionOf[e.Region]
	switch {
	case !endpointID.MatchString(e.ID):
		return nil, fmt.Errorf("id: a VPC endpoint is named vpce- and 8 to 17 hexadecimal digits, not %q", e.ID)
	case !vpcID.MatchString(e.VPC):
		return nil, fmt.Errorf("vpc: a VPC is named vpc- and 8 to 17 hexadecimal digits, not %q", e.VPC)
	case !served:
		return nil, fmt.Errorf("region: unknown Region %q", e.Region)
	case len(e.Account) != 12:
		return nil, fmt.Errorf("account: an account id has 12 digits, not %q", e.Account)
	}
	if e.Source.IsValid() && e.Source != e.Source.Masked() {
		return nil, fmt.Errorf("source: %s is an address within %s; give the range", e.Source, e.Source.Masked())
	}
	if e.VPCARN == "" {
		e.VPCARN = "arn:" + partition + ":ec2:" + e.Region + ":" + e.Account + ":vpc/" + e.VPC
	}
	return &e, nil
}

// DNSName is the endpoint's own name, under which it is reached without private DNS. The part after the id is random at
// the service; here it follows from the id.
func (e *Endpoint) DNSName() string {
	var tag [4]byte
	for i := range len(e.ID) {
		tag[i%len(tag)] = tag[i%len(tag)]*31 + e.ID[i]
	}
	suffix := ".vpce.amazonaws.com"
	if partitionOf[e.Region] == "aws-cn" {
		suffix += ".cn"
	}
	return e.ID + "-" + hex.EncodeToString(tag[:]) + ".kms." + e.Region + suffix
}

// ServeEndpoint is Serve for a VPC endpoint's listener.
func (s *Server) ServeEndpoint(l net.Listener, e *Endpoint) error {
	return s.frontend.ServeAt(&endpointListener{Listener: l, endpoint: e}, e)
}

// endpointListener lets in clients of the VPC only.
type endpointListener struct {
	net.Listener
	endpoint *Endpoint
}

// Accept closes the connections of others without a word, as a security group would.
func (l *endpointListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address, ok := c.RemoteAddr().(*net.TCPAddr)
		if !ok {
			return c, nil
		}
		if _, admitted := l.endpoint.Place(address.AddrPort().Addr()); admitted {
			return c, nil
		}
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return nil, err
		}
	}
}

// Place is a client's address within the VPC; false: it is none of the VPC's clients.
func (e *Endpoint) Place(a netip.Addr) (netip.Addr, bool) {
	a = a.Unmap()
	if !e.Source.IsValid() || e.Source.Contains(a) {
		return a, true
	}
	if !a.IsLoopback() {
		return a, false
	}
	from, to := a.AsSlice(), e.Source.Addr().AsSlice()
	for i := 1; i <= min(len(from), len(to)); i++ { // from the last byte on
		host := byte(0xff)
		if keep := e.Source.Bits() - 8*(len(to)-i); keep >= 8 {
			break
		} else if keep > 0 {
			host = 0xff >> keep
		}
		at := len(to) - i
		to[at] |= from[len(from)-i] & host
	}
	placed, _ := netip.AddrFromSlice(to)
	return placed, true
}
