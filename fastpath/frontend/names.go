package frontend

import "strings"

// isServiceName says whether a server name is one of KMS's or STS's own: kms.REGION or kms-fips.REGION under
// amazonaws.com, amazonaws.com.cn or api.aws, a VPC endpoint's ENDPOINT.kms[-fips].REGION.vpce.amazonaws.com[.cn], the
// same with sts, or sts.amazonaws.com (AWS General Reference, "AWS Key Management Service endpoints and quotas" and "AWS
// Security Token Service endpoints and quotas"; KMS Developer Guide, "VPC endpoint").
// crypto/tls gives server names in lower case.
func isServiceName(name string) bool {
	if len(name) > 253 {
		return false
	}
	rest, ok := strings.CutSuffix(name, ".api.aws")
	if !ok {
		rest, ok = strings.CutSuffix(strings.TrimSuffix(name, ".cn"), ".amazonaws.com")
		if !ok {
			return false
		}
		if endpoint, isVPC := strings.CutSuffix(rest, ".vpce"); isVPC {
			id, service, found := strings.Cut(endpoint, ".")
			if !found || !strings.HasPrefix(id, "vpce-") || !isLabel(id) {
				return false
			}
			rest = service
		}
	}
	if name == "sts.amazonaws.com" {
		return true
	}
	service, region, found := strings.Cut(rest, ".")
	switch service {
	case "kms", "kms-fips", "sts", "sts-fips":
		return found && isLabel(region)
	}
	return false
}

// isLabel says whether s is one DNS label of lower-case letters, digits and inner hyphens.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
