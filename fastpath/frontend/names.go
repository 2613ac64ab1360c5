package frontend

import "strings"

// isServiceName says whether a server name is one of KMS's own: kms.REGION or kms-fips.REGION under
// amazonaws.com, amazonaws.com.cn or api.aws, or a VPC endpoint's ENDPOINT.kms[-fips].REGION.vpce.amazonaws.com[.cn]
// (AWS General Reference, "AWS Key Management Service endpoints and quotas"; KMS Developer Guide, "VPC endpoint").
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
	service, region, found := strings.Cut(rest, ".")
	return found && (service == "kms" || service == "kms-fips") && isLabel(region)
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
