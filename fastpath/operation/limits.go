package operation

import (
	"math"

	"trent/fastpath/keyring"
)

// Limits are the resource quotas that the operations hold themselves; the keyring has those that it counts. 0 is the
// service's own number, a negative one no limit but
// what a record can hold.
type Limits struct{ TagsPerKey, PolicyBytes, OnDemandRotations int }

// resolve puts numbers in the place of those that stand for one (AWS KMS Developer Guide, "Resource quotas").
func (l Limits) resolve() Limits {
	return Limits{
		TagsPerKey:        orService(l.TagsPerKey, 50),
		PolicyBytes:       min(orService(l.PolicyBytes, 32<<10), keyring.MaxPolicyBytes),
		OnDemandRotations: orService(l.OnDemandRotations, 25),
	}
}

func orService(limit, service int) int {
	switch {
	case limit == 0:
		return service
	case limit < 0:
		return math.MaxInt
	}
	return limit
}
