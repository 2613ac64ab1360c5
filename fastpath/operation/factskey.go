package operation

import (
	"fmt"
	"strings"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/wire"
)

// keyFact is a property of the key that the question is about, or that is about to be made.
func (c *Call) keyFact(key authz.Key) (string, bool) {
	switch key {
	case authz.KeyKMSTrailingDaysWithoutKeyUsage:
		return c.unusedDays()
	case authz.KeyKMSMultiRegionKeyType:
		return c.multiRegionKeyType()
	}
	if r, ok := c.Request.(*wire.CreateKeyRequest); ok {
		return newKeyFact(r, key)
	}
	k := c.asking.key
	if _, ok := c.Request.(*wire.ReplicateKeyRequest); ok && k == nil {
		k = c.Key.Snapshot // which the replica is to be like
	}
	if k == nil || k.Missing {
		return "", false
	}
	switch key {
	case authz.KeyKMSKeySpec, authz.KeyKMSCustomerMasterKeySpec:
		return specs[k.Spec].spec.String(), true
	case authz.KeyKMSKeyUsage, authz.KeyKMSCustomerMasterKeyUsage:
		return usages[k.Usage].String(), true
	case authz.KeyKMSKeyOrigin:
		return k.Origin.String(), true
	case authz.KeyKMSMultiRegion:
		return truth(k.MultiRegion), true
	}
	return "", false
}

// newKeyFact is a property of the key that CreateKey asks for, defaults included.
func newKeyFact(r *wire.CreateKeyRequest, key authz.Key) (string, bool) {
	switch key {
	case authz.KeyKMSKeySpec, authz.KeyKMSCustomerMasterKeySpec:
		spec := r.KeySpec
		if r.CustomerMasterKeySpec != 0 {
			spec = currentSpec(r.CustomerMasterKeySpec)
		}
		if spec == 0 {
			spec = wire.KeySpecSymmetricDefault
		}
		return spec.String(), true
	case authz.KeyKMSKeyUsage, authz.KeyKMSCustomerMasterKeyUsage:
		if r.KeyUsage == 0 {
			return wire.KeyUsageTypeEncryptDecrypt.String(), true
		}
		return r.KeyUsage.String(), true
	case authz.KeyKMSKeyOrigin:
		if r.Origin == 0 {
			return wire.OriginTypeAwsKms.String(), true
		}
		return r.Origin.String(), true
	case authz.KeyKMSMultiRegion:
		return truth(r.MultiRegion), true
	}
	return "", false
}

// multiRegionKeyType is of multi-Region keys only. Which copy is the primary stands in the record.
func (c *Call) multiRegionKeyType() (string, bool) {
	switch r := c.Request.(type) {
	case *wire.CreateKeyRequest:
		return wire.MultiRegionKeyTypePrimary.String(), r.MultiRegion
	case *wire.ReplicateKeyRequest:
		if c.asking.key == nil {
			return wire.MultiRegionKeyTypeReplica.String(), true
		}
	}
	k := c.asking.key
	if k == nil || !k.MultiRegion {
		return "", false
	}
	record, err := c.asking.service.keys.Record(c.asking.ctx, k.ID)
	if err != nil {
		return "", c.inTrouble(fmt.Errorf("reading which copy of a key is the primary: %w", err))
	}
	if record.Leads() {
		return wire.MultiRegionKeyTypePrimary.String(), true
	}
	return wire.MultiRegionKeyTypeReplica.String(), true
}

// inTrouble keeps the first trouble, and is false for a key without value.
func (c *Call) inTrouble(err error) bool {
	if c.asking.trouble == nil {
		c.asking.trouble = err
	}
	return false
}

// unusedDays is for how many whole days the key was not used.
func (c *Call) unusedDays() (string, bool) {
	k, s := c.asking.key, c.asking.service
	if k == nil || k.Missing {
		return "", false
	}
	last, known, since, err := s.lastUse(c.asking.ctx, k)
	if err != nil {
		return "", c.inTrouble(fmt.Errorf("reading the last use of a key: %w", err))
	}
	if known {
		since = last.At
	}
	return c.number(max(int64(s.clock().Sub(since)/(24*time.Hour)), 0)), true
}

// resourceTag is a tag of the key that the question is about.
func (c *Call) resourceTag(dst []string, name string) ([]string, bool) {
	k := c.asking.key
	if k == nil || k.Missing {
		return dst, false
	}
	a, err := c.asking.service.keys.Attributes(c.asking.ctx, k)
	if err != nil {
		return dst, c.inTrouble(err)
	}
	n := len(dst)
	for _, t := range a.Tags {
		if strings.EqualFold(t.Key, name) {
			dst = append(dst, t.Value)
		}
	}
	return dst, len(dst) > n
}

// resourceAliases are the aliases of the key that the question is about; none where the key has more than it may have, as
// the service has it. Key policies may not ask for them.
func (c *Call) resourceAliases(dst []string) ([]string, bool) {
	k := c.asking.key
	if k == nil || k.Missing {
		return dst, false
	}
	a, err := c.asking.service.keys.Attributes(c.asking.ctx, k)
	if err != nil {
		return dst, c.inTrouble(err)
	}
	if a.ManyAliases {
		return dst, false
	}
	return append(dst, a.Aliases...), len(a.Aliases) > 0
}
