package fastpath

import (
	"bytes"
	"strings"

	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/wire"
)

// Headers of requests that an AWS service makes: with a credential that is bound to a service, and signed, they say for
// whom it calls and about what. Trent's own: the service passes such things on within AWS.
const (
	onBehalfHeader  = "x-trent-on-behalf-of" // ARN of a user, a role session or an account's root
	sourceHeader    = "x-trent-source-arn"   // what the service works on
	calledViaHeader = "x-trent-called-via"   // service principals, in the order of the calls, separated by commas
)

// service sets who calls, and through what, where a service's credential signed the request. From all others the headers
// mean nothing.
func (s *Server) service(x *Exchange, r *frontend.Request, credential *identity.Credential) error {
	var texts [3]string
	for i, name := range [...]string{onBehalfHeader, sourceHeader, calledViaHeader} {
		value, ok := x.verified.Header(name)
		if !ok {
			continue
		}
		if !x.verified.Signs(name) {
			return wire.Errorf(wire.CodeInvalidSignatureException, "The header %s is not among the signed ones.", name)
		}
		texts[i] = string(bytes.TrimSpace(value))
	}
	onBehalf, source, via := texts[0], texts[1], texts[2]
	use := &identity.ServiceUse{Principal: credential.Service, SourceARN: source}
	if part := strings.SplitN(source, ":", 6); source != "" {
		if len(part) != 6 || part[0] != "arn" {
			return wire.Errorf(wire.CodeValidationException, "%s: %q is not an ARN", sourceHeader, source)
		}
		use.SourceAccount = part[4]
	}
	for _, name := range strings.Split(via, ",") {
		if name = strings.TrimSpace(name); name != "" && name != use.Principal {
			use.CalledVia = append(use.CalledVia, name)
		}
	}
	use.CalledVia = append(use.CalledVia, use.Principal)
	x.call.Origin.Service = use
	if onBehalf == "" {
		return nil
	}
	principal := s.directory.Current().OnBehalf(onBehalf, credential.Service, r.Received)
	if principal == nil || principal.Partition != credential.Principal.Partition {
		return wire.Errorf(wire.CodeAccessDeniedException, "%s: there is no user, role session or account %s here; declare it under accounts", onBehalfHeader, onBehalf)
	}
	x.call.Caller = principal
	x.call.Scope.Account = principal.Account
	return nil
}
