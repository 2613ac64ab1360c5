package fastpath

import (
	"bytes"
	"fmt"
	"sort"
)

// partitionOf is the table of AWS Regions that have a KMS endpoint, by partition (AWS General Reference,
// "AWS Key Management Service endpoints and quotas").
var partitionOf = map[string]string{
	"us-east-1": "aws", "us-east-2": "aws", "us-west-1": "aws", "us-west-2": "aws",
	"af-south-1": "aws", "ap-east-1": "aws", "ap-east-2": "aws",
	"ap-south-1": "aws", "ap-south-2": "aws",
	"ap-southeast-1": "aws", "ap-southeast-2": "aws", "ap-southeast-3": "aws", "ap-southeast-4": "aws",
	"ap-southeast-5": "aws", "ap-southeast-6": "aws", "ap-southeast-7": "aws",
	"ap-northeast-1": "aws", "ap-northeast-2": "aws", "ap-northeast-3": "aws",
	"ca-central-1": "aws", "ca-west-1": "aws",
	"eu-central-1": "aws", "eu-central-2": "aws", "eu-north-1": "aws",
	"eu-south-1": "aws", "eu-south-2": "aws", "eu-west-1": "aws", "eu-west-2": "aws", "eu-west-3": "aws",
	"il-central-1": "aws", "me-central-1": "aws", "me-south-1": "aws", "mx-central-1": "aws", "sa-east-1": "aws",
	"cn-north-1": "aws-cn", "cn-northwest-1": "aws-cn",
	"us-gov-east-1": "aws-us-gov", "us-gov-west-1": "aws-us-gov",
}

// Region is one that is served, with what belongs to it.
type Region struct{ Name, Partition string }

// Regions is the set of Regions that a server answers for. Immutable.
type Regions struct{ byName map[string]*Region }

// NewRegions makes the set of the named Regions; none named means all known ones. Unknown names are an error.
func NewRegions(names []string) (*Regions, error) {
	rs := &Regions{byName: map[string]*Region{}}
	if len(names) == 0 {
		for name := range partitionOf {
			names = append(names, name)
		}
	}
	for _, name := range names {
		partition, ok := partitionOf[name]
		if !ok {
			return nil, fmt.Errorf("unknown Region %q", name)
		}
		rs.byName[name] = &Region{Name: name, Partition: partition}
	}
	return rs, nil
}

// Lookup finds a served Region, nil if there is none of that name. It allocates nothing.
func (rs *Regions) Lookup(name []byte) *Region { return rs.byName[string(name)] }

// has tells whether a Region of that name and partition is served.
func (rs *Regions) has(partition, name string) bool {
	r := rs.byName[name]
	return r != nil && r.Partition == partition
}

// Names lists the Regions in order.
func (rs *Regions) Names() []string {
	names := make([]string, 0, len(rs.byName))
	for name := range rs.byName {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// hostRegion finds the Region that a host name of the service fixes: kms.R or kms-fips.R under
// amazonaws.com, amazonaws.com.cn or api.aws, and VPC endpoint names, whose third label from the left is R
// after "kms" or "kms-fips". Any other host (localhost, an address, an alias) leaves it to the signature.
func hostRegion(host []byte) (region []byte, ok bool) { return hostRegionOf(host, "kms", "") }

// hostRegionOf is hostRegion for a service; global is the Region of its name without one, empty: it has no such name.
func hostRegionOf(host []byte, service, global string) (region []byte, ok bool) {
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host, ']') < i {
		host = host[:i]
	}
	for _, suffix := range [...]string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"} {
		rest, found := cutSuffixFold(host, suffix)
		if !found {
			continue
		}
		if vpce, isVPC := cutSuffixFold(rest, ".vpce"); isVPC {
			if i := bytes.IndexByte(vpce, '.'); i >= 0 && hasPrefixFold(vpce, "vpce-") {
				rest = vpce[i+1:]
			}
		}
		if global != "" && suffix == ".amazonaws.com" && bytes.EqualFold(rest, []byte(service)) {
			return []byte(global), true
		}
		for _, kind := range [...]string{".", "-fips."} {
			if !hasPrefixFold(rest, service) || !hasPrefixFold(rest[len(service):], kind) {
				continue
			}
			if name := rest[len(service)+len(kind):]; bytes.IndexByte(name, '.') < 0 {
				return name, true
			}
		}
	}
	return nil, false
}

func cutSuffixFold(b []byte, suffix string) ([]byte, bool) {
	if len(b) < len(suffix) || !bytes.EqualFold(b[len(b)-len(suffix):], []byte(suffix)) {
		return nil, false
	}
	return b[:len(b)-len(suffix)], true
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}
