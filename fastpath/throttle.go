package fastpath

import (
	"fmt"
	"io"

	"trent/fastpath/quota"
)

// throttled counts the request in x against its quotas and tells whether one of them is used up. The first such quota
// refuses; those counted before it stay counted, as quotas are independent of one another.
func (s *Server) throttled(x *Exchange) bool {
	s.operations.Charge(&x.call, &x.charges)
	for _, c := range x.charges.All() {
		account := x.call.Scope.Account
		if c.Store != "" {
			account = "" // all accounts that use the store share its quota
		}
		if !s.limiter.Admit(x.call.Origin.At, x.call.Scope.Partition, account, c.Region, c.Store, c.Group, c.N) {
			return true
		}
	}
	return false
}

// writeQuotaMetrics writes how many requests were refused, by quota.
func (s *Server) writeQuotaMetrics(w io.Writer) {
	if !s.limiter.On() {
		return
	}
	fmt.Fprint(w, "# TYPE trent_throttled_total counter\n")
	s.limiter.Refused(func(g quota.Group, n uint64) {
		fmt.Fprintf(w, "trent_throttled_total{quota=%q} %d\n", g, n)
	})
}
