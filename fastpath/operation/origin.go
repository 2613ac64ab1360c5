package operation

import (
	"net/netip"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
)

// Origin is where a request came from and how, as condition keys and records tell it. Byte slices are views into the
// request.
type Origin struct {
	Address   netip.Addr
	Secure    bool            // over TLS
	Endpoint  *authz.Endpoint // nil: not through a VPC endpoint
	At        time.Time       // real time, not the test clock's
	UserAgent []byte
	Referer   []byte
	Service   *identity.ServiceUse // nil: no AWS service calls for the caller
}
