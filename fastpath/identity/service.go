package identity

// ServiceUse is an AWS service that calls: for a principal (forward access session), or for itself.
type ServiceUse struct {
	Principal                string   // "s3.amazonaws.com"
	CalledVia                []string // service principals in the order of the calls, Principal the last
	SourceARN, SourceAccount string   // what the service works on; empty: not said
}
